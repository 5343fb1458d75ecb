/* A watcher stands between the checker and a member of an upstream: it takes in what the checks
 * find, and says it. */
#ifndef UPSTREAM_WATCHER_H
#define UPSTREAM_WATCHER_H

#include "health/health.h"
#include "upstream/upstream.h"

/* Has the member checked, as the upstream's configuration asks for, until health_remove. NULL: it
 * asks for no checks, or there is no memory; then the member is taken for up. Whoever makes the
 * upstream, or the resolver's thread. */
struct health_target *watcher_begin(struct upstream *upstream, struct member *member);

#endif
