#include "base/histogram.h"

#include <stdatomic.h>

/* 10 us, 20 us, 50 us, 100 us ... */
static usec_t decade_step(size_t i) {
    static const usec_t steps[] = {1, 2, 5};
    usec_t bound = 10 * steps[i % 3];

    for (i /= 3; i > 0; i--)
        bound *= 10;
    return bound;
}

usec_t histogram_bound(enum histogram_scale scale, size_t i) {
    return decade_step(i + (scale == HISTOGRAM_SHORT ? 2 : 9));
}

/* HISTOGRAM_BUCKETS: longer than all bounds. */
static size_t find_bucket(enum histogram_scale scale, usec_t took) {
    size_t i = 0;

    while (i < HISTOGRAM_BUCKETS && took > histogram_bound(scale, i))
        i++;
    return i;
}

void histogram_add(struct histogram *histogram, usec_t took) {
    size_t i = find_bucket(histogram->scale, took);

    atomic_fetch_add_explicit(&histogram->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, (uint64_t)(took > 0 ? took : 0),
                              memory_order_relaxed);
}

static uint32_t window_number(usec_t now) {
    return (uint32_t)(now / RECENT_WINDOW) + 1;
}

void recent_times_add(struct recent_times *times, usec_t took, usec_t now) {
    uint32_t number = window_number(now), seen;
    size_t which = number % 2;

    seen = atomic_load_explicit(&times->window[which], memory_order_relaxed);
    if (seen != number && atomic_compare_exchange_strong(&times->window[which], &seen, number))
        for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
            atomic_store_explicit(&times->counts[which][i], 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&times->counts[which][find_bucket(HISTOGRAM_SHORT, took)], 1,
                              memory_order_relaxed);
}

/* Of both windows, those that are not too old. */
static uint64_t sum_recent(const struct recent_times *times, usec_t now,
                           uint64_t ret_counts[HISTOGRAM_BUCKETS + 1]) {
    uint32_t number = window_number(now);
    uint64_t all = 0;

    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
        ret_counts[i] = 0;
    for (size_t which = 0; which < 2; which++) {
        uint32_t window = atomic_load_explicit(&times->window[which], memory_order_relaxed);

        if (window == 0 || number - window > 1)
            continue;
        for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
            ret_counts[i] += atomic_load_explicit(&times->counts[which][i], memory_order_relaxed);
    }
    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
        all += ret_counts[i];
    return all;
}

usec_t recent_times_quantile(const struct recent_times *times, double part, usec_t now) {
    uint64_t counts[HISTOGRAM_BUCKETS + 1], all = sum_recent(times, now, counts);
    double wanted = part * (double)all, before = 0;

    if (all == 0)
        return -1;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double here = (double)counts[i];

        if (here > 0 && before + here >= wanted) {
            usec_t from = i > 0 ? histogram_bound(HISTOGRAM_SHORT, i - 1) : 0,
                   to = histogram_bound(HISTOGRAM_SHORT, i);

            return from + (usec_t)((double)(to - from) * (wanted - before) / here);
        }
        before += here;
    }
    return histogram_bound(HISTOGRAM_SHORT, HISTOGRAM_BUCKETS - 1);
}
