/* Members that this machine has no way to (IPv6 in a container), which is no fault of a server, are
 * cut off: not dialled until there is one. Any thread, without a lock. */
#ifndef UPSTREAM_REACH_H
#define UPSTREAM_REACH_H

#include "upstream/upstream.h"

/* There is no way to this member (errno of route_error). Logs the first of its family, until some
 * are back, and looks at the others. */
void reach_lost(struct upstream *upstream, struct member *member, int error);

/* Looks for members that have a way again, and logs it. one: has one. NULL: at most every
 * second. */
void reach_review(struct upstream *upstream, struct member *one);

/* Logs which of source_address are not this machine's, at most once a minute. */
void reach_say_missing_sources(struct upstream *upstream);

#endif
