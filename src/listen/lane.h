/* A listener's openings (openings.h): those that wait for an opener, and how many are at one. Part
 * of the listener's limit, so that it outlives a reload. Under the lock of the openings. */
#ifndef LISTEN_LANE_H
#define LISTEN_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/sync.h"

struct opening;

struct lane {
    TAILQ_ENTRY(lane) entry GUARDED; /* of those that are not empty */
    STAILQ_HEAD(opening_queue, opening) waiting GUARDED;
    size_t n_waiting GUARDED;
    size_t working GUARDED; /* at an opener */
    size_t at_gate GUARDED; /* acceptors that wait for a seat */
    bool listed GUARDED;
};

static inline void lane_init(struct lane *lane) UNCHECKED {
    *lane = (struct lane){.n_waiting = 0};
    STAILQ_INIT(&lane->waiting);
}

#endif
