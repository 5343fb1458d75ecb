/* A worker: takes connections from the queue, dials, and hands both sockets to a pair of pumps. */
#ifndef ROAD_WORKER_H
#define ROAD_WORKER_H

#include "road/road.h"

TAILQ_HEAD(worker_list, worker);

struct worker {
    TAILQ_ENTRY(worker) entry; /* the owner's */
    size_t number;             /* in its name */
    struct road *road;
    struct thread thread;
    struct turn turn;
    _Atomic bool ended; /* it can be joined at once */
};

/* It ends when queue_pop says so. spare: see spares.h. 0 or -errno. */
int worker_start(struct road *road, size_t number, bool spare, struct worker **ret_worker) MUST_USE;

/* False, with *ret_what: woken longer than patience ago, it has not come. */
bool worker_comes(const struct worker *worker, usec_t patience, char *ret_what, size_t size);

/* Interrupts the thread until it ends, and joins it. */
void worker_free(struct worker *worker);

#endif
