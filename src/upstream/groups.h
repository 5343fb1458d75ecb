/* The members of a long list in groups, so that a choice need not look at all of them: what the
 * members of a group come to is kept, and summed up anew only when one of them has changed
 * (member_changes) or time has changed it. A choice so looks at the sums of all groups, at the
 * members of those with news, and at the members of the one that it chooses. With some square root
 * of n groups that is some square roots of n. */
#ifndef UPSTREAM_GROUPS_H
#define UPSTREAM_GROUPS_H

#include "upstream/balance.h"
#include "upstream/slot.h"
#include "upstream/view.h"

#define GROUPS_FROM 256 /* members: to look at fewer is cheaper than to keep sums of them */

/* What a way to balance needs to know of the candidates of a group. */
struct group_sum {
    uint64_t weight, live; /* weight 0: there are none */
};

struct group {
    size_t first, n; /* its members, in groups->slots */
    uint64_t seen;   /* member_changes when it was summed up; 0: never */
    struct view view;
    struct group_sum sums[2]; /* of the candidates without and with failures */
    _Atomic int64_t credit;   /* see struct candidate */
};

struct groups {
    struct group list[MEMBER_CELLS]; /* a cell's members are a group */
    struct slot *slots;              /* the roster's, by group, without references of their own */
    /* For source_hash, all members of the first tier, whether they can be had or not: */
    struct candidate *steady;
    const struct slot **steady_slots;
    size_t n_steady;
};

/* NULL: no memory, and that a list has none costs but time. former: whose turns go on, or NULL. */
struct groups *groups_new(const struct slot *slots, size_t n, const struct groups *former);
void groups_free(struct groups *groups); /* NULL is fine */

/* The turns of others, or NULL, go on. */
void groups_follow(struct groups *groups, const struct groups *former);

#endif
