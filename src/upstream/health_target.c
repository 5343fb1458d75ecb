#include "upstream/health_target.h"

#define FIRST_WITHIN (500 * USEC_PER_MSEC)

void health_target_init(struct health_target *target, const struct health_wish *wish,
                        uint64_t number) {
    *target = (struct health_target){
        .wish = *wish, .number = number, .down = wish->down, .decided = wish->down, .patience = 1};
}

/* Where in the interval its checks begin. The multiples of the golden ratio, modulo 1, lie apart however many there
 * are (the three-gap theorem): of 10 no two are nearer than an 18th, of 100 than a 199th. */
static usec_t place(const struct health_target *target) {
    const uint64_t golden = 0x9e3779b97f4a7c15; /* 2^64 divided by the golden ratio */
    const unsigned bits = 24; /* of the product that are used: times an interval they fit usec_t */

    return (usec_t)((target->number * golden) >> (64 - bits)) * target->wish.config->interval >>
           bits;
}

usec_t health_target_next(const struct health_target *target, usec_t now) {
    usec_t interval = target->wish.config->interval;
    usec_t next = now - now % interval + place(target);

    return next > now ? next : next + interval;
}

usec_t health_target_first(const struct health_target *target, usec_t now) {
    usec_t interval = target->wish.config->interval;

    if (interval <= FIRST_WITHIN)
        return health_target_next(target, now);
    return now + place(target) * FIRST_WITHIN / interval;
}

int64_t health_target_rise(const struct health_target *target) {
    return target->wish.config->rise * target->patience;
}

static usec_t window(const struct health_target *target) {
    usec_t span = FLAP_INTERVALS * target->wish.config->interval;

    return span > FLAP_SPAN ? span : FLAP_SPAN;
}

/* flap_rule, when it has gone down. True: patience has changed. */
static bool lose_patience(struct health_target *target, usec_t now) {
    target->downs[target->n_downs++ % FLAP_DOWNS] = now;
    bool often = target->n_downs >= FLAP_DOWNS &&
                 now - target->downs[target->n_downs % FLAP_DOWNS] <= window(target);
    if ((!often && target->patience == 1) || target->patience == FLAP_MOST)
        return false;
    target->patience *= 2;
    return true;
}

/* flap_rule, when it is up and a check was good. True: patience has changed. */
static bool calm_down(struct health_target *target, usec_t now) {
    if (target->patience == 1 || now - target->up_since < window(target))
        return false;
    target->patience = 1;
    return true;
}

struct health_news health_target_judge(struct health_target *target, bool good, usec_t now) {
    const struct health_check_config *config = target->wish.config;
    struct health_news news = {.changed = false};
    int64_t needed = !target->decided ? 1
                     : target->down   ? health_target_rise(target)
                                      : config->fall;

    target->decided = true;
    if (good != target->down) { /* what it was taken for */
        target->against = 0;
        news.flaps = good && calm_down(target, now);
        return news;
    }
    if (++target->against < needed)
        return news;
    news = (struct health_news){.changed = true, .checks = target->against};
    target->against = 0;
    target->down = !target->down;
    if (target->down)
        news.flaps = lose_patience(target, now);
    else
        target->up_since = now;
    return news;
}
