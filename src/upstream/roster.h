/* The list of an upstream's members, and how it follows its servers' endpoints.
 *
 * single_writer: once the upstreams have started, the resolver's thread alone replaces the list, so
 * it may read it without the lock; others change nothing in it. */
#ifndef UPSTREAM_ROSTER_H
#define UPSTREAM_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "names/endpoints.h"
#include "upstream/member.h"

struct health_target;
struct candidate;
struct groups;
struct server;
struct upstream;

/* A member in the list of one upstream of one configuration. */
struct slot {
    struct member *member; /* a reference, and listed (members.h) */
    const struct server *server;
    uint64_t weight; /* the server's, times that of its SRV record */
    /* a tier is used if no member of a lower one can be had: backups, later SRV priorities */
    unsigned tier;
    bool fresh;                   /* the list before had it not */
    struct health_target *target; /* NULL: it is not checked */
};

/* The list, with room for a choice to work in. The slots of a server stand together, in the order
 * of the servers. */
struct roster {
    size_t n;
    struct slot *slots;
    struct candidate *candidates;
    const struct slot **candidate_slots; /* and which a candidate is */
    struct groups *groups;               /* NULL: so few that all are looked at (groups.h) */
};

/* The endpoints of a server are others from now on; what follows from that is done by
 * roster_settle, once for all servers of an upstream. Whoever makes the upstreams, before they
 * start; then the resolver's thread. False: no memory, and all is as it was. */
bool roster_learn(struct server *server, const struct endpoint *list, size_t n) MUST_USE;

/* Puts a list of what the servers have learned in the place of the old one. False: no memory, and
 * some endpoints are left out until they are learned again. The same threads. */
bool roster_settle(struct upstream *upstream) MUST_USE;

/* What a configuration in force says of its members counts for them from now on: max_connections,
 * and that who is not checked is not down, whatever an earlier one found. all: or only of those
 * that the list before had not. Under the upstream's lock. */
void roster_begin(struct upstream *upstream, bool all);

/* Lets go of all members. No thread uses the upstream any more. */
void roster_clear(struct upstream *upstream);

#endif
