/* min_rate: who takes its data, or sends it, too slowly. Who has the watch. */
#ifndef CONN_RATE_H
#define CONN_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* Zeroed: nobody is waited for. */
struct rate_watch {
    usec_t since;   /* each look since then found that it is waited for; 0: not */
    usec_t seen;    /* when last */
    uint64_t moved; /* bytes at its beginning */
};

/* A look at it. waits: for nobody but this one, which is held to it only while every look finds
 * that. moved: bytes so far. min_rate: bytes a second, over 5 seconds; 0: none. */
bool rate_is_slow(struct rate_watch *watch, bool waits, uint64_t moved, int64_t min_rate,
                  usec_t now);

#endif
