#include "relay/queue.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"

int queue_init(struct queue *queue, size_t capacity, size_t pushers) UNCHECKED {
    *queue = (struct queue){.capacity = capacity, .slots = capacity + pushers};
    queue->ring = calloc(queue->slots, sizeof(*queue->ring));
    if (queue->ring == NULL)
        return -ENOMEM;
    lock_init(&queue->lock, RANK_LEAF);
    cond_init(&queue->filled);
    cond_init(&queue->room);
    return 0;
}

void queue_destroy(struct queue *queue) UNCHECKED {
    CHECK(queue->count == 0);
    cond_destroy(&queue->room);
    cond_destroy(&queue->filled);
    lock_destroy(&queue->lock);
    free(queue->ring);
}

static void put(struct queue *queue, struct job *job) REQUIRES(queue->lock) {
    struct job *slot = &queue->ring[(queue->head + queue->count) % queue->slots];

    CHECK(!queue->closed && queue->count < queue->slots);
    *slot = *job;
    slot->client = fd_take(&job->client);
    slot->record.queued = clock_now();
    queue->count++;
    if (queue->idle > 0)
        cond_signal(&queue->filled);
}

void queue_push(struct queue *queue, struct job *job) {
    lock_acquire(&queue->lock);
    queue->blocked++;
    while (queue->count >= queue->capacity && !queue->unbounded)
        cond_wait(&queue->room, &queue->lock);
    queue->blocked--;
    put(queue, job);
    lock_release(&queue->lock);
}

bool queue_wait_room(struct queue *queue) {
    lock_acquire(&queue->lock);
    queue->blocked++;
    while (queue->count >= queue->capacity && !queue->unbounded)
        cond_wait(&queue->room, &queue->lock);
    queue->blocked--;
    bool open = !queue->unbounded;
    lock_release(&queue->lock);
    return open;
}

bool queue_try_push(struct queue *queue, struct job *job) {
    lock_acquire(&queue->lock);
    bool room = queue->count < queue->capacity;
    if (room)
        put(queue, job);
    lock_release(&queue->lock);
    return room;
}

bool queue_pop(struct queue *queue, struct job *ret_job) {
    lock_acquire(&queue->lock);
    queue->idle++;
    while (queue->count == 0 && !queue->closed)
        cond_wait(&queue->filled, &queue->lock);
    queue->idle--;
    bool got = queue->count > 0;
    if (got) {
        struct job *slot = &queue->ring[queue->head];

        *ret_job = *slot;
        ret_job->client = fd_take(&slot->client);
        queue->head = (queue->head + 1) % queue->slots;
        queue->count--;
        if (queue->blocked > 0)
            cond_broadcast(&queue->room); /* who looks for room may not take it: wake all */
    }
    lock_release(&queue->lock);
    return got;
}

void queue_unbind(struct queue *queue) {
    lock_acquire(&queue->lock);
    queue->unbounded = true;
    cond_broadcast(&queue->room);
    lock_release(&queue->lock);
}

void queue_close(struct queue *queue) {
    lock_acquire(&queue->lock);
    queue->closed = true;
    cond_broadcast(&queue->filled);
    lock_release(&queue->lock);
}
