/* An upstream's members, with scratch room for a choice. */
#ifndef UPSTREAM_ROSTER_H
#define UPSTREAM_ROSTER_H

#include "base/check.h"
#include "upstream/balance.h"
#include "upstream/groups.h"
#include "upstream/slot.h"

/* Slots are in the servers' order. */
struct roster {
    size_t n;
    struct slot *slots;
    struct candidate *candidates;
    const struct slot **candidate_slots; /* whose they are */
    struct groups *groups;               /* NULL: few members */
};

/* Empty, for n slots. False: no memory; roster_free is due all the same. */
bool roster_make(struct roster *roster, size_t n) MUST_USE;

void roster_free(struct roster *roster); /* slots are the caller's */

/* Sets max_connections in all members, or only in fresh ones; takes those without checks for up.
 * Under the upstream's lock. */
void roster_begin(const struct roster *roster, bool all);

/* All, and those that can be chosen; without weight 0. Under the upstream's lock. */
void roster_count(const struct roster *roster, size_t *ret_all, size_t *ret_up);

#endif
