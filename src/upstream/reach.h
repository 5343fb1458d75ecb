/* Whether this machine has a way to an upstream's addresses. A family or a route may be missing
 * (IPv6 in a container), which is no fault of a server. Such a member is cut off: not dialled until
 * there is a way.
 *
 * Any thread, without a lock. */
#ifndef UPSTREAM_REACH_H
#define UPSTREAM_REACH_H

#include "upstream/upstream.h"

/* There is no way to this member (errno of route_error). The first of its family is logged, until
 * some are back, and the others are looked at. */
void reach_lost(struct upstream *upstream, struct member *member, int error);

/* Looks whether members that are cut off have a way now, and logs it. one: it has one. NULL: at
 * most every second. */
void reach_review(struct upstream *upstream, struct member *one);

/* Some of source_address are not this machine's: logs which, at most once a minute. */
void reach_say_missing_sources(struct upstream *upstream);

#endif
