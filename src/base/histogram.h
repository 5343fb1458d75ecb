/* How long things took: counts in 20 buckets, whose bounds are 1, 2 and 5 of each power of ten. */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"

#define HISTOGRAM_BUCKETS 20 /* and one for what is longer than the last bound */

/* Where the bounds begin; the last one is 2,000,000 times that. */
enum histogram_scale {
    HISTOGRAM_SHORT, /* 50 us to 100 s */
    HISTOGRAM_LONG,  /* 10 ms to 5.6 hours */
};

/* The bound of bucket i: what took as long as that is within. */
usec_t histogram_bound(enum histogram_scale scale, size_t i);

/* All that there were. Zeroed: none. */
struct histogram {
    enum histogram_scale scale; /* set at first */
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS + 1];
    _Atomic uint64_t sum; /* microseconds */
};

/* Any thread, any lock. */
void histogram_add(struct histogram *histogram, usec_t took);

/* Those of the last ten to twenty minutes, in HISTOGRAM_SHORT. Zeroed: none. What is counted while
 * a window begins may be lost. */
struct recent_times {
    _Atomic uint32_t window[2]; /* which one it is, from 1 */
    _Atomic uint32_t counts[2][HISTOGRAM_BUCKETS + 1];
};

#define RECENT_WINDOW (10 * 60 * USEC_PER_SEC)

/* Any thread, any lock. */
void recent_times_add(struct recent_times *times, usec_t took, usec_t now);

/* The time that so large a part of them kept within, about (0.5: the median). < 0: there were none
 * of late. Any thread, any lock. */
usec_t recent_times_quantile(const struct recent_times *times, double part, usec_t now);

#endif
