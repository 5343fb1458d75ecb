/* A target of the checker, and when it is due. Pure. */
#ifndef HEALTH_HEALTH_TARGET_H
#define HEALTH_HEALTH_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "health/check.h"

struct health_target {
    /* all is the checker's thread's, but for these three: */
    LIST_ENTRY(health_target) entry;   /* of newcomers, under the checker's lock */
    SLIST_ENTRY(health_target) leaves; /* once removed */
    _Atomic bool removed;
    struct check_wish wish;
    struct check check;
    bool rests;      /* no checks are wanted */
    bool filed;      /* in the agenda: */
    size_t place;    /* there */
    usec_t moment;   /* when it is due for something */
    usec_t due;      /* the next check, at the earliest when the present one is over */
    usec_t deadline; /* of the present check */
    bool judged;     /* the present check had its verdict, and parts: */
    usec_t parts;    /* until then, or while bytes come, but not beyond the deadline; */
    size_t seen;     /* check->left at the last look */
    short watched;   /* events that epoll(7) waits for; 0: it does not know the socket */
};

/* Copies the wish; leaves `check` alone. */
void health_target_init(struct health_target *target, const struct check_wish *wish);

/* When the first check is due: at its place in the interval; if `soon`, within the interval or 500
 * ms, whichever is shorter. */
usec_t health_target_first(const struct health_target *target, usec_t now);

/* When the next check after one that begins now is due: at its own place in the interval, far from
 * others'. So lateness does not add up, and no two come to fire together. */
usec_t health_target_next(const struct health_target *target, usec_t now);

#endif
