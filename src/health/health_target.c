#include "health/health_target.h"

#define FIRST_WITHIN (500 * USEC_PER_MSEC)

void health_target_init(struct health_target *target, const struct check_wish *wish) {
    *target = (struct health_target){.wish = *wish};
}

/* Where in the interval its checks begin. Multiples of the golden ratio, modulo 1, lie apart,
 * however many (three-gap theorem): of 10 none are nearer than an 18th, of 100 than a 199th. */
static usec_t place_in_interval(const struct health_target *target) {
    const uint64_t golden = 0x9e3779b97f4a7c15; /* 2^64 divided by the golden ratio */
    const unsigned bits = 24; /* of the product that are used: times an interval they fit usec_t */

    return (usec_t)((target->wish.number * golden) >> (64 - bits)) *
               target->wish.config->interval >>
           bits;
}

usec_t health_target_next(const struct health_target *target, usec_t now) {
    usec_t interval = target->wish.config->interval;
    usec_t next = now - now % interval + place_in_interval(target);

    return next > now ? next : next + interval;
}

usec_t health_target_first(const struct health_target *target, usec_t now) {
    usec_t interval = target->wish.config->interval;

    if (interval <= FIRST_WITHIN || !target->wish.soon)
        return health_target_next(target, now);
    return now + place_in_interval(target) * FIRST_WITHIN / interval;
}
