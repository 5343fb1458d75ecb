/* A target of the checker: when it is looked at, and what the checks of it have led to. What is here is pure; the
 * moments are handed in. */
#ifndef UPSTREAM_HEALTH_TARGET_H
#define UPSTREAM_HEALTH_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "upstream/check.h"
#include "upstream/health.h"

/* flap_rule: A server that comes back for a moment and breaks again takes connections just to lose them, and each of
 * its turns is told to operators. So once it has gone down FLAP_DOWNS times within the window, which is
 * FLAP_INTERVALS intervals but at least FLAP_SPAN, it must prove itself: its next return takes twice `rise` good
 * checks in a row. Whenever it goes down again, before it has stayed up for the window, the number is doubled, up to
 * FLAP_MOST times `rise` (with the defaults 128 checks, more than 4 minutes): not for ever, since a server that works
 * half of the time may be all there is. One good check after it has stayed up for the window, `rise` is enough again. */
#define FLAP_DOWNS     3
#define FLAP_INTERVALS 20
#define FLAP_SPAN      (60 * USEC_PER_SEC)
#define FLAP_MOST      64

struct health_target {
    LIST_ENTRY(health_target) link; /* the checker's, as all but `removed` is its thread's */
    struct health_wish wish;
    struct check check;
    _Atomic bool removed;
    uint64_t number; /* the order in which targets came */
    usec_t due;      /* the next check begins, or as soon as the one under way has ended */
    usec_t deadline; /* the one under way is given up */
    size_t slot;     /* its place in the poll set, while one is */
    /* What the checks have led to: */
    bool down;
    bool decided;     /* it is known how it is: there was a first check, or the wish said so */
    int64_t against;  /* checks in a row that contradict `down` */
    int64_t patience; /* times `rise` for the next return: 1, 2, 4 ... FLAP_MOST */
    uint64_t n_downs; /* how often it went down */
    usec_t downs[FLAP_DOWNS]; /* and when, the last few times: a ring */
    usec_t up_since;          /* it came up; without a meaning while patience is 1 */
};

/* What one more check has changed. */
struct health_news {
    bool changed;   /* it is down now, or up */
    int64_t checks; /* and so many in a row made it so */
    bool flaps;     /* patience has changed */
};

/* From the wish, of which it takes a copy; the check is not its concern. */
void health_target_init(struct health_target *target, const struct health_wish *wish,
                        uint64_t number);

/* When its first check is due: within an interval or half a second, whichever is shorter. */
usec_t health_target_first(const struct health_target *target, usec_t now);

/* When the check after one that begins now is due. Each target has a place of its own in the interval, far from those
 * of others, at which it is looked at for ever: lateness does not add up, so no two come to fire together. */
usec_t health_target_next(const struct health_target *target, usec_t now);

/* Takes in the outcome of a check. */
struct health_news health_target_judge(struct health_target *target, bool good, usec_t now);

/* Good checks in a row until it is up again. */
int64_t health_target_rise(const struct health_target *target);

#endif
