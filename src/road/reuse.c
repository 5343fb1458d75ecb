#include "road/reuse.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/stats.h"
#include "conn/leg_pool.h"
#include "listen/own.h"
#include "road/choose.h"
#include "road/generation.h"
#include "road/road.h"
#include "upstream/upstream.h"

void reuse_note_dial(struct exchange *exchange, const struct route *route) {
    exchange->leg_listener = route->trunk;
    exchange->leg_epoch = leg_pool_epoch(exchange->road->legs);
    exchange->leg_served = 0;
    /* Its server is told whose it is, once. */
    exchange->leg_private = route->upstream->config->send_proxy != PROXY_OFF;
}

/* A server with max_connections counts those that are idle, too; and what leads to this relayd is
 * looked at for loops, by the client that it is for. */
bool reuse_shares(void *arg, struct exchange *exchange) {
    struct conn *conn = exchange->conn;

    (void)arg;
    lock_acquire(&conn->registry->lock);
    const struct member *member = conn->member;
    bool shares =
        member != NULL && atomic_load(&member->max_connections) == 0 && !own_is(&member->addr);
    lock_release(&conn->registry->lock);
    return shares;
}

/* One that has sent something to a server was counted by the last relayd. */
void reuse_count_relayed(const struct exchange *exchange) {
    const struct flow *up = &exchange->conn->state->flow[DIR_UP];

    if (exchange->leg_upstream == NULL && atomic_load(&up->bytes) == 0)
        stats_add(STAT_relayed, 1);
}

/* As the log tells it: no time in the queue, none to connect. */
static void note_taken(struct record *record, const struct route *route,
                       const struct idle_leg *leg) {
    snprintf(record->upstream, sizeof(record->upstream), "%s", route->upstream->config->name);
    snprintf(record->server, sizeof(record->server), "%s", leg->member->server);
    record->why[0] = '\0';
    record->server_addr = leg->address;
    record->queued = record->popped = record->dialled = clock_now();
    record->attempts = 0;
    record->greeting = 0;
    record->server_header = leg->received; /* for who counts what came (stolen_error) */
}

bool reuse_take(void *arg, struct exchange *exchange, const struct route_config *section) {
    struct conn *conn = exchange->conn;
    struct route *route = choose_branch(exchange, section);
    struct road *road = arg;
    struct idle_leg leg;

    if (exchange->wanted == NULL)
        choose_for(arg, exchange, section); /* a dial goes there, too, if none is idle */
    if (exchange->wanted == NULL ||
        !leg_pool_take(&road->legs, route->trunk, route->line, exchange->wanted, &leg))
        return false;
    /* As after a dial: it may have gone down since it was chosen. */
    if (upstream_resets(route->upstream, leg.member)) {
        idle_leg_close(&leg);
        return false;
    }
    struct holdings has = HOLDINGS_NONE;
    has.server = leg.fd;
    has.server_tls = leg.tls;
    has.member = leg.member;
    member_enter(has.member);
    member_unref(has.member);
    has.line = line_ref(route->line);
    has.shown = exchange->shown;
    exchange->leg_listener = leg.listener;
    exchange->leg_epoch = leg.epoch;
    exchange->leg_served = leg.served;
    exchange->leg_private = false;
    lock_acquire(&conn->registry->lock);
    struct record record = conn->state->record;
    lock_release(&conn->registry->lock);
    note_taken(&record, route, &leg);
    reuse_count_relayed(exchange);
    stats_add(STAT_legs_taken, 1);
    exchange_dialled(exchange, END_NONE, 0, &has, &record);
    return true;
}
