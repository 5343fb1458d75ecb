/* A member in a roster. */
#ifndef UPSTREAM_SLOT_H
#define UPSTREAM_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "health/health.h"
#include "http/cookie.h"
#include "upstream/members.h"
#include "upstream/server.h"

/* Room for slow_start. 1,000 (weight) times 65,535 (SRV) times this is below 2^36 (struct
 * candidate). */
#define SLOT_WEIGHT_SCALE 1000

struct slot {
    struct member *member; /* a reference, listed (members.h) */
    const struct server *server;
    unsigned share; /* of the server's weight: SRV's */
    /* used if no lower one can be had: backups, later SRV priorities */
    unsigned tier;
    bool fresh;                   /* not in the roster before */
    struct health_target *target; /* NULL: not checked */
    struct cookie_token token;    /* names it in cookies; none: the upstream has no cookies */
};

/* Ends its check, and gives the member back. */
void slot_drop(struct slot *slot, struct members *members, struct health *health);

/* In force; 0: no new connections. Any thread. */
static inline uint64_t slot_weight(const struct slot *slot) {
    return server_weight(slot->server) * slot->share;
}

/* retired: by the configuration in force, if that has the server. Any thread. */
static inline bool slot_is_full(const struct slot *slot, bool retired) {
    int64_t most = retired
                       ? atomic_load_explicit(&slot->member->max_connections, memory_order_relaxed)
                       : slot->server->config->max_connections;

    return most > 0 &&
           atomic_load_explicit(&slot->member->live, memory_order_relaxed) >= (size_t)most;
}

#endif
