#include "base/stats.h"

#include <stdatomic.h>
#include <stddef.h>

static _Atomic uint64_t own[STAT_COUNT];
static _Atomic(_Atomic uint64_t *) counters = own;

static _Atomic uint64_t *counter_at(enum counter which) {
    return &atomic_load_explicit(&counters, memory_order_relaxed)[which];
}

void stats_add(enum counter which, uint64_t n) {
    atomic_fetch_add_explicit(counter_at(which), n, memory_order_relaxed);
}

uint64_t stats_get(enum counter which) {
    return atomic_load_explicit(counter_at(which), memory_order_relaxed);
}

void stats_use(_Atomic uint64_t *memory) {
    _Atomic uint64_t *from = atomic_load(&counters), *to = memory != NULL ? memory : own;

    if (from == to)
        return;
    for (size_t i = 0; i < STAT_COUNT; i++)
        atomic_store(&to[i], atomic_load(&from[i]) + (memory != NULL ? atomic_load(&to[i]) : 0));
    atomic_store(&counters, to);
}
