#include "relay/queue.h"

#include <errno.h>
#include <stdlib.h>

#include "base/event.h"
#include "base/fd.h"

/* A worker that waits with nothing in the queue. The next job is given to it directly. */
struct queue_waiter {
    SLIST_ENTRY(queue_waiter) link;
    struct event event; /* WAITING until one of the others */
    struct job *job;
};

enum { WAITING, GIVEN, CLOSED };

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
    to->client = fd_take(&job->client);
}

/* Takes the job in. Returns a waiter to be told, after the lock is released, or NULL. */
static struct queue_waiter *put(struct queue *queue, struct job *job) REQUIRES(queue->lock) {
    struct queue_waiter *waiter = SLIST_FIRST(&queue->idle);

    CHECK(!queue->closed && queue->count < queue->slots);
    job->record.queued = clock_now();
    if (waiter != NULL) {
        SLIST_REMOVE_HEAD(&queue->idle, link);
        give(waiter->job, job);
    } else {
        give(&queue->ring[(queue->head + queue->count) % queue->slots], job);
        queue->count++;
    }
    return waiter;
}

static void tell(struct queue_waiter *waiter) {
    if (waiter != NULL)
        event_set(&waiter->event, GIVEN);
}

static void await_room(struct queue *queue) REQUIRES(queue->lock) {
    queue->blocked++;
    while (queue->count >= queue->capacity && !queue->unbounded)
        cond_wait(&queue->room, &queue->lock);
    queue->blocked--;
}

void queue_push(struct queue *queue, struct job *job) {
    lock_acquire(&queue->lock);
    await_room(queue);
    struct queue_waiter *waiter = put(queue, job);
    lock_release(&queue->lock);
    tell(waiter);
}

bool queue_wait_room(struct queue *queue) {
    lock_acquire(&queue->lock);
    await_room(queue);
    bool open = !queue->unbounded;
    lock_release(&queue->lock);
    return open;
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

bool queue_pop(struct queue *queue, struct job *ret_job) {
    struct queue_waiter waiter = {.job = ret_job};
    bool got;

    lock_acquire(&queue->lock);
    got = queue->count > 0;
    if (got) {
        give(ret_job, &queue->ring[queue->head]);
        queue->head = (queue->head + 1) % queue->slots;
        queue->count--;
        if (queue->blocked > 0)
            cond_broadcast(&queue->room); /* who looks for room may not take it: wake all */
    }
    bool wait = !got && !queue->closed;
    if (wait)
        SLIST_INSERT_HEAD(&queue->idle, &waiter, link);
    lock_release(&queue->lock);
    return wait ? event_wait(&waiter.event, WAITING) == GIVEN : got;
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
    while ((waiter = SLIST_FIRST(&queue->idle)) != NULL) {
        SLIST_REMOVE_HEAD(&queue->idle, link);
        event_set(&waiter->event, CLOSED); /* wakes, and never blocks */
    }
    lock_release(&queue->lock);
}
