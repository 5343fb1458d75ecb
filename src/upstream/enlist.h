/* How an upstream's roster follows its servers' endpoints.
 *
 * single_writer: main; then, once the upstreams have started, only the resolver's thread replaces
 * the roster, and reads it without the lock. */
#ifndef UPSTREAM_ENLIST_H
#define UPSTREAM_ENLIST_H

#include "upstream/upstream.h"

/* Makes a new roster. False: no memory; what is left out waits until it is learned again. The
 * single_writer's. */
bool enlist_members(struct upstream *upstream) MUST_USE;

#endif
