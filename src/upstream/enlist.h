/* How the roster of an upstream follows the endpoints of its servers.
 *
 * single_writer: once the upstreams have started, the resolver's thread alone replaces the roster,
 * so it may read it without the lock; others change nothing in it. */
#ifndef UPSTREAM_ENLIST_H
#define UPSTREAM_ENLIST_H

#include "upstream/upstream.h"

/* Puts a list of what the servers have learned (server_learn) in the place of the old one. False:
 * no memory, and some endpoints are left out until they are learned again. By the same threads as
 * server_learn. */
bool enlist_members(struct upstream *upstream) MUST_USE;

#endif
