/* Time in one unit: microseconds of CLOCK_MONOTONIC in an int64_t. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <sys/time.h>
#include <time.h>

typedef int64_t usec_t;

#define USEC_PER_MSEC ((usec_t)1000)
#define USEC_PER_SEC  ((usec_t)1000000)
#define USEC_NEVER    INT64_MAX

#define SECONDS_PER_DAY 86400 /* of the wall clock: POSIX has no leap seconds */

/* Exact. */
usec_t clock_now(void);

/* At most one kernel tick (1 to 10 ms) ago, at a fifth of the cost: for pumps (clock_gettime(2),
 * CLOCK_MONOTONIC_COARSE). */
usec_t clock_coarse(void);

/* What the wall clock says at a moment of clock_now(), as time(2) would have: in whole seconds. */
time_t clock_wall(usec_t moment);

static inline usec_t usec_earlier(usec_t a, usec_t b) {
    return a < b ? a : b;
}

static inline usec_t usec_later(usec_t a, usec_t b) {
    return a > b ? a : b;
}

/* A span or a moment. */
struct timespec clock_timespec(usec_t t);
struct timeval clock_timeval(usec_t t);

#endif
