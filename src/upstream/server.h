/* A server that the operator wrote, and its endpoints, each a member. */
#ifndef UPSTREAM_SERVER_H
#define UPSTREAM_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/sync.h"
#include "config/config.h"
#include "names/endpoints.h"
#include "upstream/orders.h"

struct upstream;

struct server {
    const struct server_config *config;
    struct upstream *upstream;
    struct order *order; /* a reference */
    /* some of its names are looked up for the first time */
    bool coming GUARDED;
    /* Main's, then the resolver's thread's (single_writer in enlist.h): */
    struct endpoint *endpoints; /* settled (endpoints_settle) */
    size_t n_endpoints;
    bool changed;               /* since the roster was made */
    size_t first_slot, n_slots; /* in the roster */
};

/* enlist_members follows, once for all servers. False: no memory, and nothing has changed. The
 * single_writer's. */
bool server_learn(struct server *server, const struct endpoint *list, size_t n) MUST_USE;

/* In force; 0: no new connections. Any thread. */
static inline uint64_t server_weight(const struct server *server) {
    return order_weight(server->order, server->config->weight);
}

/* One of weight 0 in the file is not, unless another is ordered. Any thread. */
static inline bool server_is_checked(const struct server *server) {
    return server->config->weight > 0 || server_weight(server) > 0;
}

#endif
