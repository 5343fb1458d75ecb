/* Whether this machine has a way to the addresses of an upstream. The family may be missing (IPv6
 * in a container), or a route: that is no fault of a server. Such a member is cut off: left alone
 * without a dial, until there is a way. */
#ifndef UPSTREAM_REACH_H
#define UPSTREAM_REACH_H

#include "upstream/upstream.h"

/* There is no way to this member, as route_error says. The first of its family has the others of it
 * looked at, too, and is said, once until some are back. Any thread, without a lock. */
void reach_lost(struct upstream *upstream, struct member *member, int error);

/* Looks whether there is a way to members that are cut off; one, or NULL: there is one to it. Says
 * so. Without one, not more often than every second. Any thread, without a lock. */
void reach_review(struct upstream *upstream, struct member *one);

/* Some of its source_address are not addresses of this machine, and others are used: says which, at
 * most once in a minute. Any thread, without a lock. */
void reach_say_missing_sources(struct upstream *upstream);

#endif
