/* A server that the operator wrote, and its endpoints, each of which is a member (member.h). */
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
    bool coming GUARDED; /* a name that is looked up for the first time, at least in part */
    /* Main's, then the resolver's thread's (single_writer in enlist.h): */
    struct endpoint *endpoints; /* settled (endpoints_settle) */
    size_t n_endpoints;
    bool changed;               /* since the roster was made */
    size_t first_slot, n_slots; /* in the roster */
};

/* Sets its endpoints; enlist_members follows, once for all servers. Main, before the start; then
 * the resolver's thread. False: no memory, and nothing has changed. */
bool server_learn(struct server *server, const struct endpoint *list, size_t n) MUST_USE;

#endif
