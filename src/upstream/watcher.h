/* A watcher takes in what checks find of a member, and logs it. */
#ifndef UPSTREAM_WATCHER_H
#define UPSTREAM_WATCHER_H

#include "health/health.h"
#include "upstream/upstream.h"

/* Has the member of this server checked until health_remove, while server_is_checked. NULL: no
 * checks, or no memory; it counts as up. Main, or the resolver's thread. */
struct health_target *watcher_begin(const struct server *server, struct member *member);

#endif
