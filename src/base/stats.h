/* Counters of the whole process: one row of base/counters.def each, lock-free. */
#ifndef BASE_STATS_H
#define BASE_STATS_H

#include <stdint.h>

enum counter {
#define COUNTER(name, unit, help) STAT_##name,
#include "base/counters.def"
#undef COUNTER
    STAT_COUNT,
    STAT_NONE = STAT_COUNT /* a table may name none */
};

/* Any thread, any lock. */
void stats_add(enum counter which, uint64_t n);
uint64_t stats_get(enum counter which);

/* Counts on top of what is there; NULL: in own memory again, which gets the values. The memory
 * stays until then. One thread at a time; counts made meanwhile may be lost. */
void stats_use(_Atomic uint64_t *memory);

#endif
