/* A worker: takes an accepted connection from the queue, dials its upstream, and hands both sockets
 * to a pump pair. */
#ifndef ROAD_WORKER_H
#define ROAD_WORKER_H

#include "road/road.h"

TAILQ_HEAD(worker_list, worker);

struct worker {
    TAILQ_ENTRY(worker) link; /* the owner's */
    size_t number;            /* its name has it */
    struct road *road;
    struct thread thread;
    struct turn turn;
    _Atomic bool ended; /* its thread is through, or about to be */
};

/* Starts one. It ends when the queue is closed and empty, or when it is sent away. spare: see
 * spares.h. 0 or -errno. */
int worker_start(struct road *road, size_t number, bool spare, struct worker **ret_worker) MUST_USE;

/* Whether it comes when it is woken, or has had that long to come. False: *ret_what, of that size,
 * says who does not. */
bool worker_comes(const struct worker *worker, usec_t patience, char *ret_what, size_t size);

/* Waits for the thread's end, and interrupts whatever it blocks in. */
void worker_free(struct worker *worker);

#endif
