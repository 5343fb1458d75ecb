/* What checks say of a server in the long run: up or down, by `rise` and `fall`, and whether it flaps. Pure.
 *
 * flap_rule: A server that goes down FLAP_DOWNS times within FLAP_INTERVALS intervals (at least FLAP_SPAN) flaps: it
 * would take connections and break them again and again. From then on each return needs twice as many good checks in a
 * row as the last, up to FLAP_MOST times `rise`, until it has been up for that window without going down. */
#ifndef UPSTREAM_HEALTH_TARGET_H
#define UPSTREAM_HEALTH_TARGET_H

#include <stdbool.h>

#include "base/clock.h"
#include "config/config.h"

#define FLAP_DOWNS     3
#define FLAP_INTERVALS 20
#define FLAP_SPAN      (60 * USEC_PER_SEC)
#define FLAP_MOST      64

struct health_state {
    bool down, judged;        /* judged: a first check has been made */
    int64_t row;              /* checks in a row that speak against it */
    int64_t patience;         /* times `rise` that it takes to come back: 1, 2, 4 ... */
    usec_t downs[FLAP_DOWNS]; /* when it went down last, the latest first */
    usec_t changed;           /* when it went up or down last */
};

/* What one more check has changed. */
struct health_news {
    bool changed; /* it is down now, or up */
    bool flaps;   /* patience has changed */
};

void health_state_init(struct health_state *state, bool down);

/* good: the check succeeded. now: its moment. */
struct health_news health_state_take(struct health_state *state,
                                     const struct health_check_config *config, bool good,
                                     usec_t now);

/* How many good checks in a row it takes to come back. */
unsigned health_state_rise(const struct health_state *state,
                           const struct health_check_config *config);

#endif
