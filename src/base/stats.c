#include "base/stats.h"

#include <stdatomic.h>

static _Atomic uint64_t counters[STAT_COUNT];

void stats_add(enum counter which, uint64_t n) {
    atomic_fetch_add_explicit(&counters[which], n, memory_order_relaxed);
}

uint64_t stats_get(enum counter which) {
    return atomic_load_explicit(&counters[which], memory_order_relaxed);
}
