/* in_turn: connections are to be dialled for in the order in which they came. If each push woke a worker, the second
 * one might run first. So one wake-up is on its way at a time: a push sends one only if there is none, and the worker
 * that has come and taken its job sends the next, if more wait. One that does not come (its CPU is busy) is not waited
 * for beyond LATE. */
#include "relay/queue.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

/* The event of a waiter. */
enum { WAITING, WOKEN, SENT_AWAY };

#define LATE (20 * USEC_PER_MSEC)

int queue_init(struct queue *queue, size_t capacity, size_t pushers) UNCHECKED {
    *queue = (struct queue){.capacity = capacity, .slots = capacity + pushers};
    queue->ring = calloc(queue->slots, sizeof(*queue->ring));
    if (queue->ring == NULL)
        return -ENOMEM;
    lock_init(&queue->lock, RANK_LEAF);
    SLIST_INIT(&queue->idle);
    cond_init(&queue->room);
    return 0;
}

void queue_destroy(struct queue *queue) UNCHECKED {
    CHECK(queue->count == 0);
    cond_destroy(&queue->room);
    CHECK(SLIST_EMPTY(&queue->idle));
    lock_destroy(&queue->lock);
    free(queue->ring);
}

static void give(struct job *to, struct job *job) {
    *to = *job;
    to->has = holdings_take(&job->has);
    job->route = NULL;
}

/* in_turn: a worker to be woken after the lock is released, or NULL. */
static struct queue_waiter *wake_next(struct queue *queue, usec_t now) REQUIRES(queue->lock) {
    struct queue_waiter *waiter = SLIST_FIRST(&queue->idle);

    if (waiter == NULL || queue->count == 0 ||
        (queue->coming > 0 && now - queue->woken_last < LATE))
        return NULL;
    SLIST_REMOVE_HEAD(&queue->idle, link);
    atomic_store_explicit(&waiter->woken, now, memory_order_relaxed);
    queue->woken_last = now;
    queue->coming++;
    return waiter;
}

static void tell(struct queue_waiter *waiter) {
    if (waiter != NULL)
        event_set(&waiter->event, WOKEN);
}

/* Takes the job in. Returns whom to tell. */
static struct queue_waiter *put(struct queue *queue, struct job *job) REQUIRES(queue->lock) {
    CHECK(!queue->closed && queue->count < queue->slots);
    job->record.queued = clock_now();
    give(&queue->ring[(queue->head + queue->count) % queue->slots], job);
    queue->count++;
    return wake_next(queue, job->record.queued);
}

void queue_push(struct queue *queue, struct job *job) {
    lock_acquire(&queue->lock);
    queue->blocked++;
    while (queue->count >= queue->capacity && !queue->unbounded)
        cond_wait(&queue->room, &queue->lock);
    queue->blocked--;
    struct queue_waiter *waiter = put(queue, job);
    lock_release(&queue->lock);
    tell(waiter);
}

enum room queue_wait_room(struct queue *queue) {
    lock_acquire(&queue->lock);
    unsigned nudges = queue->nudges;
    queue->blocked++;
    while (queue->count >= queue->capacity && !queue->unbounded && queue->nudges == nudges)
        cond_wait(&queue->room, &queue->lock);
    queue->blocked--;
    bool there = queue->count < queue->capacity, closed = queue->unbounded;
    lock_release(&queue->lock);
    return closed ? ROOM_CLOSED : there ? ROOM_THERE : ROOM_NUDGED;
}

bool queue_try_push(struct queue *queue, struct job *job) {
    struct queue_waiter *waiter = NULL;

    lock_acquire(&queue->lock);
    bool room = queue->count < queue->capacity;
    if (room)
        waiter = put(queue, job);
    lock_release(&queue->lock);
    tell(waiter);
    return room;
}

void queue_nudge(struct queue *queue) {
    lock_acquire(&queue->lock);
    queue->nudges++;
    cond_broadcast(&queue->room);
    lock_release(&queue->lock);
}

/* Takes the oldest job. */
static void take(struct queue *queue, struct job *ret_job) REQUIRES(queue->lock) {
    give(ret_job, &queue->ring[queue->head]);
    queue->head = (queue->head + 1) % queue->slots;
    queue->count--;
    if (queue->blocked > 0)
        cond_broadcast(&queue->room); /* who looks for room may not take it: wake all */
}

/* Waits to be woken, with the lock released meanwhile. False: sent away. */
static bool await_call(struct queue *queue, struct queue_waiter *waiter) REQUIRES(queue->lock) {
    event_reset(&waiter->event);
    SLIST_INSERT_HEAD(&queue->idle, waiter, link);
    lock_release(&queue->lock);
    bool woken = event_wait(&waiter->event, WAITING) == WOKEN;
    atomic_store_explicit(&waiter->woken, 0, memory_order_relaxed);
    lock_acquire(&queue->lock);
    if (woken)
        queue->coming--;
    return woken;
}

bool queue_pop(struct queue *queue, struct queue_waiter *waiter, struct job *ret_job) {
    bool got = false, stays = true;

    lock_acquire(&queue->lock);
    while (stays && !got) {
        if (queue->dismissed > 0) {
            queue->dismissed--;
            stays = false;
        } else if (queue->count > 0) {
            take(queue, ret_job);
            got = true;
        } else {
            stays = !queue->closed && await_call(queue, waiter);
        }
    }
    struct queue_waiter *next = queue->count > 0 ? wake_next(queue, clock_now()) : NULL;
    lock_release(&queue->lock);
    tell(next);
    return got;
}

int queue_resize(struct queue *queue, size_t capacity, size_t pushers) {
    lock_acquire(&queue->lock);
    /* Room for what is in it, and for what comes in until the bound is changed below. */
    size_t most = queue->count > queue->capacity ? queue->count : queue->capacity;
    size_t slots = (capacity > most ? capacity : most) + pushers;
    lock_release(&queue->lock);
    struct job *ring = calloc(slots, sizeof(*ring));
    if (ring == NULL)
        return -ENOMEM;
    lock_acquire(&queue->lock);
    for (size_t i = 0; i < queue->count; i++)
        ring[i] = queue->ring[(queue->head + i) % queue->slots];
    struct job *old = queue->ring;
    queue->ring = ring;
    queue->head = 0;
    queue->slots = slots;
    queue->capacity = capacity;
    cond_broadcast(&queue->room);
    lock_release(&queue->lock);
    free(old);
    return 0;
}

/* Sends the idle ones away, at most so many; returns how many they were. */
static size_t send_away(struct queue *queue, size_t most) REQUIRES(queue->lock) {
    struct queue_waiter *waiter;
    size_t n = 0;

    for (; n < most && (waiter = SLIST_FIRST(&queue->idle)) != NULL; n++) {
        SLIST_REMOVE_HEAD(&queue->idle, link);
        event_set(&waiter->event, SENT_AWAY); /* wakes, and never blocks */
    }
    return n;
}

void queue_dismiss(struct queue *queue, size_t n) {
    lock_acquire(&queue->lock);
    queue->dismissed += n - send_away(queue, n);
    lock_release(&queue->lock);
}

size_t queue_keep(struct queue *queue, size_t n) {
    lock_acquire(&queue->lock);
    size_t kept = n < queue->dismissed ? n : queue->dismissed;
    queue->dismissed -= kept;
    lock_release(&queue->lock);
    return kept;
}

usec_t queue_oldest(struct queue *queue) {
    lock_acquire(&queue->lock);
    usec_t oldest = queue->count > 0 ? queue->ring[queue->head].record.queued : 0;
    lock_release(&queue->lock);
    return oldest;
}

void queue_unbind(struct queue *queue) {
    lock_acquire(&queue->lock);
    queue->unbounded = true;
    cond_broadcast(&queue->room);
    lock_release(&queue->lock);
}

void queue_close(struct queue *queue) {
    struct queue_waiter *waiter;

    lock_acquire(&queue->lock);
    queue->closed = true;
    /* Some of what waits may be for them: they empty the queue, and find it closed. */
    while ((waiter = SLIST_FIRST(&queue->idle)) != NULL) {
        SLIST_REMOVE_HEAD(&queue->idle, link);
        queue->coming++;
        event_set(&waiter->event, WOKEN);
    }
    lock_release(&queue->lock);
}
