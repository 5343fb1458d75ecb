#include "base/meter.h"

#include <stdatomic.h>

#define PERIODS 0xffffffu
#define COUNT   20 /* bits */

struct view {
    uint64_t number; /* of the period */
    uint64_t before, count;
};

/* The word as of this moment. */
static struct view view_meter(uint64_t word, usec_t period, usec_t now) {
    uint64_t number = (uint64_t)(now / period) & PERIODS;
    uint64_t age = (number - (word >> (2 * COUNT))) & PERIODS;
    struct view view = {
        .number = number, .before = word >> COUNT & METER_MOST, .count = word & METER_MOST};

    if (age == PERIODS) {
        view.number = word >> (2 * COUNT); /* another thread's clock was read later */
    } else if (age > 0) {
        view.before = age == 1 ? view.count : 0;
        view.count = 0;
    }
    return view;
}

void meter_add(struct meter *meter, usec_t period, usec_t now) {
    uint64_t word = atomic_load_explicit(&meter->word, memory_order_relaxed), next;

    do {
        struct view view = view_meter(word, period, now);

        view.count += view.count < METER_MOST;
        next = view.number << (2 * COUNT) | view.before << COUNT | view.count;
    } while (!atomic_compare_exchange_weak_explicit(&meter->word, &word, next, memory_order_relaxed,
                                                    memory_order_relaxed));
}

double meter_count(const struct meter *meter, usec_t period, usec_t now) {
    uint64_t word = atomic_load_explicit(&meter->word, memory_order_relaxed);
    struct view view = view_meter(word, period, now);
    double left = 1 - (double)(now % period) / (double)period;

    return (double)view.count + (double)view.before * left;
}

double meter_rate(const struct meter *meter, usec_t period, usec_t now) {
    return meter_count(meter, period, now) * (double)USEC_PER_SEC / (double)period;
}
