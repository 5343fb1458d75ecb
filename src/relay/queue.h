/* The bounded work queue between acceptors and workers: accepted connections that wait to be
 * dialled for. */
#ifndef RELAY_QUEUE_H
#define RELAY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/sync.h"
#include "relay/record.h"

struct listener;

/* An accepted connection. Whoever has the job owns the socket in it. */
struct job {
    int client; /* -1: none */
    struct listener *listener;
    struct record record; /* number, names, client and accepted are filled in */
};

struct queue_waiter;

struct queue {
    struct lock lock;
    struct cond room; /* for acceptors */
    struct job *ring;
    size_t capacity; /* the bound */
    size_t slots;    /* capacity, and one more for each acceptor, see queue_push */
    size_t head GUARDED, count GUARDED;
    SLIST_HEAD(, queue_waiter)
    idle GUARDED;           /* workers that wait, the last one first: its cache is warm */
    size_t blocked GUARDED; /* acceptors that wait */
    bool unbounded GUARDED, closed GUARDED;
};

/* 0 or -ENOMEM. pushers: how many threads will call queue_push. */
int queue_init(struct queue *queue, size_t capacity, size_t pushers) MUST_USE;
void queue_destroy(struct queue *queue); /* must be empty */

/* Puts the job in; its socket is taken and blanked. queue_push waits for room; queue_try_push
 * returns false, with the job untouched, if there is none. */
void queue_push(struct queue *queue, struct job *job);
bool queue_try_push(struct queue *queue, struct job *job) MUST_USE;

/* Waits until somebody could push. False: the relay stops (queue_unbind). */
bool queue_wait_room(struct queue *queue) MUST_USE;

/* Waits for a job and gives it away. False: closed, and nothing is left. */
bool queue_pop(struct queue *queue, struct job *ret_job) MUST_USE;

/* At the stop: pushes wait no more (each acceptor has a slot beyond the bound for what it had
 * accepted). */
void queue_unbind(struct queue *queue);

/* No push will come: poppers empty the queue and then get false. */
void queue_close(struct queue *queue);

#endif
