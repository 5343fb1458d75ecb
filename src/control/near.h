/* Which limits are near: taken by NEAR_PARTS in a hundred, or more. */
#ifndef CONTROL_NEAR_H
#define CONTROL_NEAR_H

#include "control/question.h"

#define NEAR_PARTS 80

/* How much is taken of something, and how much there may be; SIZE_MAX: as much as there is. */
struct fill {
    size_t taken, most;
};

/* Of the process: descriptors, openings, places in the queue, slots of the keeper's table. */
struct fill fill_descriptors(void);
struct fill fill_openings(const struct question *question);
struct fill fill_queue(const struct question *question);
struct fill fill_slots(const struct question *question);

/* A list of sentences, the caller's. */
json_t *near_list(const struct question *question);

#endif
