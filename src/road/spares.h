/* Spare threads: workers for turns that are away (no_hostage in queue.h), started as needed, ended
 * when idle for SPARE_IDLE_MAX. */
#ifndef ROAD_SPARES_H
#define ROAD_SPARES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "road/worker.h"

#define SPARE_IDLE_MAX (10 * USEC_PER_SEC)

struct spares {
    struct road *road;
    struct lock lock;
    struct worker_list list GUARDED; /* not yet joined */
    size_t started GUARDED;          /* numbers them */
};

void spares_init(struct spares *spares, struct road *road);
void spares_destroy(struct spares *spares); /* after spares_end */

/* A queue_spare_fn. */
int spares_add(void *spares);

/* Joins those that ended. True: some are left. Any thread but theirs. */
bool spares_tidy(struct spares *spares);

/* worker_comes, of all. */
bool spares_come(struct spares *spares, usec_t patience, char *ret_what, size_t size);

/* Interrupts and joins all, after the workers. */
void spares_end(struct spares *spares);

#endif
