/* A worker: takes an accepted connection from the queue, dials its upstream, and hands both sockets
 * to a pump pair. */
#ifndef RELAY_WORKER_H
#define RELAY_WORKER_H

#include "relay/relay.h"

struct worker {
    TAILQ_ENTRY(worker) link; /* the owner's */
    size_t number;            /* its name has it */
    struct relay *relay;
    struct thread thread;
    struct queue_waiter waiter;
    _Atomic bool ended; /* its thread is through, or about to be */
};

/* Starts one. It ends when the queue is closed and empty, or when it is dismissed. 0 or -errno. */
int worker_start(struct relay *relay, size_t number, struct worker **ret_worker) MUST_USE;

/* Waits for the thread's end, and interrupts whatever it blocks in. */
void worker_free(struct worker *worker);

#endif
