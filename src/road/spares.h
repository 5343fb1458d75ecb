/* Spare threads: workers beyond `workers`, one for each turn that is away (no_hostage in queue.h).
 * They are started when they are needed, do what every worker does, and are sent away when they
 * have had nothing to do for SPARE_IDLE_MAX. */
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
    struct worker_list list GUARDED; /* all that were started and are not joined */
    size_t started GUARDED;          /* numbers them */
};

void spares_init(struct spares *spares, struct road *road);
void spares_destroy(struct spares *spares); /* after spares_end */

/* One more (a queue_spare_fn; the argument is the spares). */
int spares_add(void *spares);

/* Joins those that have ended. Whether any are left. Any thread but theirs. */
bool spares_tidy(struct spares *spares);

/* See worker_comes. */
bool spares_come(struct spares *spares, usec_t patience, char *ret_what, size_t size);

/* Interrupts and joins all; the workers have been joined. */
void spares_end(struct spares *spares);

#endif
