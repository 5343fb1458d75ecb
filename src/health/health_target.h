/* A target of the checker, and when it is looked at. What is here is pure; the moments are handed
 * in. */
#ifndef HEALTH_HEALTH_TARGET_H
#define HEALTH_HEALTH_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "health/check.h"

struct health_target {
    LIST_ENTRY(health_target)
    link; /* among the newcomers; the checker's, as all but the next two is its thread's */
    SLIST_ENTRY(health_target) leaves; /* once it is removed */
    _Atomic bool removed;
    struct check_wish wish;
    struct check check;
    bool filed;      /* it is in the agenda: */
    size_t place;    /* there */
    usec_t moment;   /* something is to be done about it */
    usec_t due;      /* the next check begins, or as soon as the one under way has ended */
    usec_t deadline; /* the one under way is given up */
    bool judged;     /* the one under way has had its verdict, and parts from the server: */
    usec_t parts;    /* until then, or for as long as bytes come, but not beyond the deadline; */
    size_t seen;     /* what check->left was when that was looked at */
    short watched;   /* what epoll(7) waits for; 0: it does not know of the socket */
};

/* From the wish, of which it takes a copy; the check is not its concern. */
void health_target_init(struct health_target *target, const struct check_wish *wish);

/* When its first check is due: if the wish says `soon`, within an interval or half a second,
 * whichever is shorter; else at its place in the interval. */
usec_t health_target_first(const struct health_target *target, usec_t now);

/* When the check after one that begins now is due. Each target has a place of its own in the
 * interval, far from those of others, at which it is looked at for ever: lateness does not add up,
 * so no two come to fire together. */
usec_t health_target_next(const struct health_target *target, usec_t now);

#endif
