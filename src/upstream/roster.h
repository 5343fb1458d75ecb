/* The list of an upstream's members, with room for a choice to work in. */
#ifndef UPSTREAM_ROSTER_H
#define UPSTREAM_ROSTER_H

#include "base/check.h"
#include "upstream/balance.h"
#include "upstream/groups.h"
#include "upstream/slot.h"

/* The slots of a server stand together, in the order of the servers. */
struct roster {
    size_t n;
    struct slot *slots;
    struct candidate *candidates;
    const struct slot **candidate_slots; /* and which a candidate is */
    struct groups *groups;               /* NULL: so few that all are looked at (groups.h) */
};

/* With room for n slots, and none yet. False: no memory, and roster_free is due all the same. */
bool roster_make(struct roster *roster, size_t n) MUST_USE;

void roster_free(struct roster *roster); /* its slots are the caller's */

/* What a configuration in force says of its members counts for them from now on: max_connections,
 * and that who is not checked is not down, whatever an earlier one found. all: or only of those
 * that the list before had not. Under the upstream's lock. */
void roster_begin(const struct roster *roster, bool all);

/* How many members there are, and how many of them can be chosen; those with weight 0 are not
 * counted. Under the upstream's lock. */
void roster_count(const struct roster *roster, size_t *ret_all, size_t *ret_up);

#endif
