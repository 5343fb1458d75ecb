#include "relay/steer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sync.h"
#include "base/text.h"
#include "conn/sweep.h"
#include "listen/blocks.h"
#include "upstream/members.h"
#include "upstream/orders.h"

static struct {
    struct lock lock;
    struct lame_order *row GUARDED;
    struct lame_order own GUARDED;
} lame = {.lock = LOCK_INITIAL(RANK_LEAF), .row = &lame.own};

static void append_order(char *buf, size_t size, const struct server_order *order) {
    char what[64];

    text_append(buf, size, "%s%s/%s %s", buf[0] != '\0' ? ", " : "", order->upstream, order->server,
                order_describe(order, what, sizeof(what)));
}

static void say_servers_go_on(void) {
    static struct server_order list[STEERING_SERVERS];
    char text[LOG_TEXT_MAX / 2] = "";
    size_t n = orders_list(list);

    for (size_t i = 0; i < n; i++)
        append_order(text, sizeof(text), &list[i]);
    if (n > 0)
        log_msg(MSG_OPERATOR,
                "What operators ordered of %zu server%s goes on from the previous relayd: %s.", n,
                n == 1 ? "" : "s", text);
}

static void say_blocks_go_on(void) {
    static struct blocked_prefix list[STEERING_BLOCKS];
    char text[LOG_TEXT_MAX / 2] = "", one[PREFIX_TEXT_MAX];
    size_t n = blocks_list(list);

    for (size_t i = 0; i < n; i++)
        text_append(text, sizeof(text), "%s%s", i > 0 ? ", " : "",
                    prefix_format(&list[i].prefix, one, sizeof(one)));
    if (n > 0)
        log_msg(MSG_OPERATOR,
                "%zu prefix%s still blocked, as before the previous relayd ended: %s.", n,
                n == 1 ? " is" : "es are", text);
}

void steer_begin(struct steering *steering) {
    steering_tidy(steering, clock_now());
    orders_use(steering->servers);
    blocks_use(steering->blocks);
    lock_acquire(&lame.lock);
    lame.row = &steering->lame;
    lock_release(&lame.lock);
    say_servers_go_on();
    say_blocks_go_on();
    if (steer_is_lame(NULL))
        log_msg(MSG_OPERATOR, "GET /ready still says no: an operator said lame-duck.");
}

void steer_end(void) {
    lock_acquire(&lame.lock);
    lame.row = &lame.own;
    lock_release(&lame.lock);
    orders_use(NULL);
    blocks_use(NULL);
}

bool steer_is_lame(struct lame_order *ret) {
    lock_acquire(&lame.lock);
    bool is = atomic_load(&lame.row->sum) != 0;
    if (is && ret != NULL)
        memcpy(ret, lame.row, sizeof(*ret));
    lock_release(&lame.lock);
    return is;
}

static _Atomic bool stops_soon;

void steer_stop_soon(void) {
    atomic_store(&stops_soon, true);
}

bool steer_stops_soon(void) {
    return atomic_load(&stops_soon);
}

void steer_set_lame(bool on, uid_t by) {
    const struct lame_order wanted = {.by_uid = by, .since = clock_now()};

    lock_acquire(&lame.lock);
    steering_write_lame(lame.row, on ? &wanted : NULL);
    lock_release(&lame.lock);
}

const struct server_config *steer_find_server(const struct config *config, const char *upstream,
                                              const char *server) {
    for (size_t i = 0; i < config->n_upstreams; i++) {
        const struct upstream_config *in = &config->upstreams[i];

        for (size_t k = 0; strcmp(in->name, upstream) == 0 && k < in->n_servers; k++)
            if (strcmp(in->servers[k].name, server) == 0)
                return &in->servers[k];
    }
    return NULL;
}

void steer_tell_strangers(const struct config *config, const struct config *before) {
    static struct server_order list[STEERING_SERVERS];
    size_t n = orders_list(list);

    for (size_t i = 0; i < n; i++) {
        const struct server_order *order = &list[i];
        char what[64];

        if (steer_find_server(config, order->upstream, order->server) != NULL ||
            (before != NULL && steer_find_server(before, order->upstream, order->server) == NULL))
            continue;
        const struct log_field fields[] = {
            {"RELAYD_UPSTREAM", order->upstream}, {"RELAYD_SERVER", order->server}, {NULL, NULL}};
        log_msg_with(MSG_OPERATOR, fields,
                     "An operator ordered that %s/%s %s, and the configuration has no such server: "
                     "that waits until it has, or for relayctl servers --reset %s/%s.",
                     order->upstream, order->server, order_describe(order, what, sizeof(what)),
                     order->upstream, order->server);
    }
}

/* Who waits for room at a server is told of a place as if one had been given back. */
void steer_look_again(const struct generation *generation, const char *upstream) {
    struct upstream *steered = upstreams_find(generation->upstreams, upstream);

    if (steered == NULL)
        return;
    upstream_look_again(steered);
    line_leave(line_ref(generation_line(generation, upstream)), NULL);
}

/* At whichever address: what the server's name led to once may have connections. */
void steer_end_conns(struct registry *registry, const struct generation *generation,
                     const char *upstream, const char *server) {
    const struct upstream *steered = upstreams_find(generation->upstreams, upstream);

    if (steered != NULL && steered->config->on_down == ON_DOWN_RESET)
        sweep_abort_server(registry, upstream, server, END_SERVER_DOWN);
}

size_t steer_count_live(const struct generation *generation, const char *upstream,
                        const char *server) {
    return members_count_live(generation->upstreams->shared.members, upstream, server);
}
