/* A slot: a member in the list of one upstream of one configuration. */
#ifndef UPSTREAM_SLOT_H
#define UPSTREAM_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "health/health.h"
#include "upstream/members.h"
#include "upstream/server.h"

/* What a choice multiplies a weight by, to have room for slow_start. A weight is at most 1,000
 * times the 65,535 of an SRV record, and this times that is below 2^36 (struct candidate). */
#define SLOT_WEIGHT_SCALE 1000

struct slot {
    struct member *member; /* a reference, and listed (members.h) */
    const struct server *server;
    uint64_t weight; /* the server's, times that of its SRV record */
    /* a tier is used if no member of a lower one can be had: backups, later SRV priorities */
    unsigned tier;
    bool fresh;                   /* the list before had it not */
    struct health_target *target; /* NULL: it is not checked */
};

/* Ends its check, and gives the member back. */
void slot_drop(struct slot *slot, struct members *members, struct health *health);

/* Whether it has max_connections: by the configuration that is in force, as far as it has the
 * server, also for those who came under one that is retired. Any thread. */
static inline bool slot_is_full(const struct slot *slot, bool retired) {
    int64_t most = retired ? atomic_load_explicit(&slot->member->most, memory_order_relaxed)
                           : slot->server->config->max_connections;

    return most > 0 &&
           atomic_load_explicit(&slot->member->live, memory_order_relaxed) >= (size_t)most;
}

#endif
