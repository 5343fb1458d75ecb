#include "control/servers.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/escape.h"
#include "base/text.h"
#include "relay/steer.h"
#include "control/steer.h"
#include "upstream/members.h"
#include "upstream/orders.h"

#define SERVER_REASON_MAX 128

/* The list is in the order of the servers. */
static bool visit_members(struct upstream *upstream, servers_fn *visit, void *arg) {
    const struct upstream_config *config = upstream->config;
    size_t room = upstream_list(upstream, NULL, 0);
    struct listed_member *list = calloc(room > 0 ? room : 1, sizeof(*list));

    if (list == NULL)
        return false;
    size_t found = upstream_list(upstream, list, room), n = found < room ? found : room, i = 0;
    for (const struct server_config *server = config->servers;
         server < config->servers + config->n_servers; server++) {
        const struct listed_member without =
            upstream_without_address(upstream, (size_t)(server - config->servers));

        if (i == n || list[i].server != server)
            visit(arg, upstream, &without);
        for (; i < n && list[i].server == server; i++) {
            visit(arg, upstream, &list[i]);
            member_unref(list[i].member);
        }
    }
    free(list);
    return true;
}

bool servers_visit(const struct generation *generation, servers_fn *visit, void *arg) {
    for (size_t i = 0; i < generation->upstreams->n; i++)
        if (!visit_members(&generation->upstreams->list[i], visit, arg))
            return false;
    return true;
}

/* Why a member has a standing that takes it out of use. */
static void explain_standing(const struct member *member, enum member_standing standing,
                             char ret_reason[SERVER_REASON_MAX]) {
    unsigned failed = atomic_load(&member->failed);
    int cut_off = atomic_load(&member->cut_off);

    if (standing == MEMBER_DOWN)
        (void)member_trouble(member, ret_reason, SERVER_REASON_MAX);
    else if (standing == MEMBER_CUT_OFF)
        snprintf(ret_reason, SERVER_REASON_MAX, "no way to it: %s", strerrordesc_np(cut_off));
    else if (failed > 0 && standing >= MEMBER_FAILING)
        snprintf(ret_reason, SERVER_REASON_MAX, "%u failed connect%s in a row: %s", failed,
                 failed == 1 ? "" : "s", member_dial_error(member));
}

static void append_standing(const struct member *member, enum member_standing standing,
                            char ret_reason[SERVER_REASON_MAX]) {
    char more[SERVER_REASON_MAX] = "";

    explain_standing(member, standing, more);
    if (more[0] != '\0')
        text_append(ret_reason, SERVER_REASON_MAX, "; %s", more);
}

/* *ret_reason is why, or "". */
static const char *servers_state(const struct listed_member *listed, usec_t now,
                                 char ret_reason[SERVER_REASON_MAX]) {
    const struct member *member = listed->member;

    ret_reason[0] = '\0';
    if (listed->weight == 0) {
        snprintf(ret_reason, SERVER_REASON_MAX,
                 listed->ordered != ORDER_NONE ? "by an operator" : "its weight is 0");
        if (listed->ordered != ORDER_NONE && member != NULL)
            append_standing(member, member_standing(member, now), ret_reason);
        return listed->ordered == ORDER_DOWN ? "maintenance" : "draining";
    }
    if (member == NULL) {
        snprintf(ret_reason, SERVER_REASON_MAX, "its name has no address");
        return "down";
    }
    enum member_standing standing = member_standing(member, now);
    if (standing < MEMBER_DUE && listed->slow) {
        snprintf(ret_reason, SERVER_REASON_MAX, "it regains its share (slow_start)");
        return "starting";
    }
    explain_standing(member, standing, ret_reason);
    return member_standing_state(standing);
}

void servers_address(const struct listed_member *listed, char ret_text[ADDR_TEXT_MAX]) {
    if (listed->member != NULL)
        addr_format(&listed->member->addr, ret_text, ADDR_TEXT_MAX);
    else
        escape_text(listed->server->address_text, strlen(listed->server->address_text),
                    ESCAPE_UNPRINTABLE, ret_text, ADDR_TEXT_MAX);
}

time_t servers_since(const struct member *member, usec_t slow_start, usec_t now) {
    usec_t since = atomic_load(&member->since), back = atomic_load(&member->back_since);

    if (back != 0 && now - back >= slow_start && back + slow_start > since &&
        member_is_used(member, now))
        since = back + slow_start; /* it has regained its share */
    return clock_wall(since);
}

static json_t *get_since(const struct upstream *upstream, const struct member *member,
                         const struct server_order *order, usec_t now) {
    if (order != NULL && order->state != ORDER_NONE)
        return json_integer(clock_wall(order->since));
    return member != NULL ? json_integer(servers_since(member, upstream->config->slow_start, now))
                          : json_null();
}

/* null: no dial of late. */
static json_t *get_dial_time(const struct member *member, double part, usec_t now) {
    usec_t took = member != NULL ? recent_times_quantile(&member->dials, part, now) : -1;

    return took >= 0 ? json_integer(took) : json_null();
}

double servers_rate(const struct member *member, usec_t now) {
    return member != NULL ? meter_rate(&member->dialled, MEMBER_RATE_PERIOD, now) : 0;
}

double servers_failed_min(const struct member *member, usec_t now) {
    return member != NULL ? meter_count(&member->refused, MEMBER_FAILED_PERIOD, now) : 0;
}

struct listing {
    json_t *list;
    struct member **live; /* with connections, by pointer: references */
    bool *listed;         /* whether it has a row */
    size_t n_live;
};

static int compare_pointers(const void *a, const void *b) {
    const struct member *one = *(struct member *const *)a, *other = *(struct member *const *)b;

    return (one > other) - (one < other);
}

static void note_listed(struct listing *list, const struct member *member) {
    struct member **at =
        list->n_live > 0 ? bsearch(&member, list->live, list->n_live, sizeof(*at), compare_pointers)
                         : NULL;

    if (at != NULL)
        list->listed[at - list->live] = true;
}

/* More that come meanwhile are at addresses that servers have. False: no memory. */
static bool find_live(struct members *members, struct listing *list) {
    size_t room = members_list_live(members, NULL, 0);

    list->live = calloc(room + 1, sizeof(*list->live));
    list->listed = calloc(room + 1, sizeof(*list->listed));
    if (list->live == NULL || list->listed == NULL)
        return false;
    size_t found = members_list_live(members, list->live, room);
    list->n_live = found < room ? found : room;
    qsort(list->live, list->n_live, sizeof(*list->live), compare_pointers);
    return true;
}

static void list_server(void *arg, const struct upstream *upstream,
                        const struct listed_member *listed) {
    struct listing *list = arg;
    const struct member *member = listed->member;
    char address[ADDR_TEXT_MAX], reason[SERVER_REASON_MAX];
    usec_t now = clock_now();
    const char *state = servers_state(listed, now, reason);
    struct server_order order;
    bool ordered = orders_find(upstream->config->name, listed->server->name, &order);

    note_listed(list, member);
    servers_address(listed, address);
    json_add(
        &list->list,
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:f, s:o, s:o, s:I, s:I, s:b, s:o}",
                  "upstream", upstream->config->name, "server", listed->server->name, "address",
                  address, "state", state, "reason", reason, "since",
                  get_since(upstream, member, ordered ? &order : NULL, now), "weight",
                  (json_int_t)listed->weight, "live",
                  (json_int_t)(member != NULL ? atomic_load(&member->live) : 0), "rate",
                  servers_rate(member, now), "connect_p50_us", get_dial_time(member, 0.5, now),
                  "connect_p99_us", get_dial_time(member, 0.99, now), "failed",
                  (json_int_t)(member != NULL ? atomic_load(&member->failed) : 0), "failed_min",
                  (json_int_t)(servers_failed_min(member, now) + 0.5), "deviates", ordered,
                  "ordered", steer_json(ordered ? &order : NULL)));
}

/* Connections live on at an address that their server does not have any more, or not yet again. */
static void list_departed(const struct question *question, struct listing *list,
                          const struct member *member) {
    const struct config *config = question->generation->config;
    bool known = steer_find_server(config, member->upstream, member->server) != NULL;
    char address[ADDR_TEXT_MAX];
    struct server_order order;
    usec_t now = clock_now();
    bool ordered = orders_find(member->upstream, member->server, &order);

    json_add(
        &list->list,
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:n, s:i, s:I, s:f, s:o, s:o, s:I, s:I, s:b, s:o}",
                  "upstream", member->upstream, "server", member->server, "address",
                  addr_format(&member->addr, address, sizeof(address)), "state",
                  ordered && order.state == ORDER_DOWN ? "maintenance" : "draining", "reason",
                  known ? "the server does not have this address now"
                        : "the configuration has no such server",
                  "since", "weight", 0, "live", (json_int_t)atomic_load(&member->live), "rate",
                  servers_rate(member, now), "connect_p50_us", get_dial_time(member, 0.5, now),
                  "connect_p99_us", get_dial_time(member, 0.99, now), "failed",
                  (json_int_t)atomic_load(&member->failed), "failed_min",
                  (json_int_t)(servers_failed_min(member, now) + 0.5), "deviates", ordered,
                  "ordered", steer_json(ordered ? &order : NULL)));
}

/* What is ordered of servers that are not in the file. */
static void list_strangers(const struct question *question, struct listing *listing) {
    struct server_order *orders = calloc(STEERING_SERVERS, sizeof(*orders));
    size_t n = orders != NULL ? orders_list(orders) : 0;

    if (orders == NULL)
        json_add(&listing->list, NULL);
    for (size_t i = 0; i < n; i++) {
        const struct server_order *order = &orders[i];

        if (steer_find_server(question->generation->config, order->upstream, order->server) != NULL)
            continue;
        json_add(
            &listing->list,
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:n, s:n, s:i, s:n, s:n, s:n, s:i, s:i, s:b, s:o}",
                      "upstream", order->upstream, "server", order->server, "address", "", "state",
                      order->state == ORDER_DOWN    ? "maintenance"
                      : order->state == ORDER_DRAIN ? "draining"
                                                    : "down",
                      "reason", "the configuration has no such server", "since", "weight", "live",
                      0, "rate", "connect_p50_us", "connect_p99_us", "failed", 0, "failed_min", 0,
                      "deviates", 1, "ordered", steer_json(order)));
    }
    free(orders);
}

json_t *servers_json(const struct question *question) {
    struct listing listing = {.list = json_array()};

    if (!find_live(question->generation->upstreams->shared.members, &listing) ||
        !servers_visit(question->generation, list_server, &listing))
        json_add(&listing.list, NULL); /* a server that is not listed would seem not to be there */
    for (size_t i = 0; i < listing.n_live; i++) {
        if (!listing.listed[i])
            list_departed(question, &listing, listing.live[i]);
        member_unref(listing.live[i]);
    }
    free(listing.live);
    free(listing.listed);
    list_strangers(question, &listing);
    return listing.list;
}

struct reply servers_reply(const struct question *question) {
    return reply_json(200, servers_json(question));
}
