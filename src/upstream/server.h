/* A server: what the operator wrote in an upstream, and the endpoints that it stands for now. Each
 * of these is a member (member.h). */
#ifndef UPSTREAM_SERVER_H
#define UPSTREAM_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/sync.h"
#include "config/config.h"
#include "names/endpoints.h"

struct upstream;

struct server {
    const struct server_config *config;
    struct upstream *upstream;
    bool coming GUARDED; /* a name that is being looked up for the first time, in part at least */
    /* Whoever makes the upstreams, then the resolver's thread (single_writer in enlist.h): */
    struct endpoint *endpoints; /* that it has now, as endpoints_settle leaves them */
    size_t n_endpoints;
    bool changed;               /* but the roster has others */
    size_t first_slot, n_slots; /* in the roster */
};

/* Its endpoints are these from now on; enlist_members draws the consequence, once for all servers
 * of an upstream. By whoever makes the upstreams, before they start; then by the resolver's thread.
 * False: no memory, and all is as it was. */
bool server_learn(struct server *server, const struct endpoint *list, size_t n) MUST_USE;

#endif
