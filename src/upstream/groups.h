/* The members of a long roster in groups. A group's sums hold until a member (member_changes) or
 * time changes them. A choice looks at all sums, at groups with news, and at the one it chooses:
 * about sqrt(n) each. */
#ifndef UPSTREAM_GROUPS_H
#define UPSTREAM_GROUPS_H

#include "upstream/balance.h"
#include "upstream/slot.h"
#include "upstream/view.h"

#define GROUPS_FROM 256 /* members; fewer are cheap */

/* Of a group's candidates. */
struct group_sum {
    uint64_t weight, live; /* weight 0: none */
};

struct group {
    size_t first, n; /* in groups->slots */
    uint64_t seen;   /* member_changes at the last look; 0: never */
    struct view view;
    struct group_sum sums[2]; /* candidates without and with failures */
    _Atomic int64_t credit;   /* see struct candidate */
};

struct groups {
    struct group list[MEMBER_CELLS]; /* of a cell's members each */
    struct slot *slots;              /* copies of the roster's, by group, without references */
    /* For source_hash: all members of the first tier, usable or not. */
    struct candidate *steady;
    const struct slot **steady_slots;
    size_t n_steady, n;
    uint64_t orders_seen; /* orders_changes() when these and the sums were taken */
};

/* former: whose turns go on, or NULL. NULL: no memory; a roster without groups is only slower. */
struct groups *groups_new(const struct slot *slots, size_t n, const struct groups *former);
void groups_free(struct groups *groups); /* NULL is fine */

/* Where weights have changed (orders.h) all sums are taken anew. Under the upstream's lock. */
void groups_follow_orders(struct groups *groups);

/* Takes over its turns, or (NULL) none. */
void groups_follow(struct groups *groups, const struct groups *former);

#endif
