/* The bounded work queue between acceptors and workers: accepted connections that wait to be
 * dialled for. */
#ifndef RELAY_QUEUE_H
#define RELAY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/event.h"
#include "base/sync.h"
#include "relay/gate.h"
#include "relay/job.h"

/* A worker's place in the queue. The worker's alone while it works, the queue's while it waits. */
struct queue_waiter {
    SLIST_ENTRY(queue_waiter) link;
    struct event event;
    _Atomic usec_t woken; /* when it was woken for a job and has not come yet; 0: it was not */
};

struct queue {
    struct lock lock;
    struct cond room; /* for acceptors */
    struct job *ring;
    size_t capacity GUARDED; /* the bound */
    size_t slots GUARDED;    /* capacity, and one more for each acceptor, see queue_push */
    size_t head GUARDED, count GUARDED;
    SLIST_HEAD(, queue_waiter)
    idle GUARDED;              /* workers that wait, the last one first: its cache is warm */
    size_t coming GUARDED;     /* workers that were woken and have not come yet, see wake_next */
    usec_t woken_last GUARDED; /* when the last of them was */
    size_t blocked GUARDED;    /* acceptors that wait */
    unsigned nudges GUARDED;   /* those in queue_wait_room wait until this changes, too */
    size_t dismissed GUARDED;  /* workers that are still to be told to end */
    bool unbounded GUARDED, closed GUARDED;
};

/* 0 or -ENOMEM. pushers: how many threads will call queue_push. */
int queue_init(struct queue *queue, size_t capacity, size_t pushers) MUST_USE;
void queue_destroy(struct queue *queue); /* must be empty */

/* Puts the job in; what it holds is taken and blanked. queue_push waits for room; queue_try_push
 * returns false, with the job untouched, if there is none. */
void queue_push(struct queue *queue, struct job *job);
bool queue_try_push(struct queue *queue, struct job *job) MUST_USE;

/* Waits until somebody could push, or until the next queue_nudge, or until the relay stops (queue_unbind). */
enum room queue_wait_room(struct queue *queue) MUST_USE;
void queue_nudge(struct queue *queue);

/* Waits for a job and gives it away. False: closed, and nothing is left; or the caller was dismissed. waiter: the
 * caller's own, zeroed before its first use. */
bool queue_pop(struct queue *queue, struct queue_waiter *waiter, struct job *ret_job) MUST_USE;

/* Changes the bound, and how many threads will call queue_push. What is in it stays, even beyond the bound. 0 or
 * -ENOMEM, with nothing changed. */
int queue_resize(struct queue *queue, size_t capacity, size_t pushers) MUST_USE;

/* Tells so many of those who pop, idle ones first, to end; or takes back so many of the tellings that no one has
 * heard yet, and returns how many. */
void queue_dismiss(struct queue *queue, size_t n);
size_t queue_keep(struct queue *queue, size_t n);

/* When the oldest job that waits was queued; 0: none waits. */
usec_t queue_oldest(struct queue *queue);

/* At the stop: pushes wait no more (each acceptor has a slot beyond the bound for what it had
 * accepted). */
void queue_unbind(struct queue *queue);

/* No push will come: poppers empty the queue and then get false. */
void queue_close(struct queue *queue);

#endif
