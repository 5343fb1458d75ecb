/* A worker: a thread that takes connections from the queue, dials their upstream, and hands both
 * sockets to a pair of pumps. */
#ifndef ROAD_WORKER_H
#define ROAD_WORKER_H

#include "road/road.h"

TAILQ_HEAD(worker_list, worker);

struct worker {
    TAILQ_ENTRY(worker) entry; /* the owner's */
    size_t number;             /* its name has it */
    struct road *road;
    struct thread thread;
    struct turn turn;
    _Atomic bool ended; /* it can be joined at once */
};

/* Starts one, which ends when queue_pop says so. spare: see spares.h. 0 or -errno. */
int worker_start(struct road *road, size_t number, bool spare, struct worker **ret_worker) MUST_USE;

/* False: it was woken longer than patience ago and has not come; *ret_what, of that size, says
 * so. */
bool worker_comes(const struct worker *worker, usec_t patience, char *ret_what, size_t size);

/* Interrupts the thread until it ends, joins it, and frees the worker. */
void worker_free(struct worker *worker);

#endif
