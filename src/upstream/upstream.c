#include "upstream/upstream.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#include "config/options.h"

bool upstream_init(struct upstream *upstream, const struct upstream_config *config,
                   const struct upstream_shared *shared, const struct upstream *former) UNCHECKED {
    upstream->config = config;
    upstream->shared = shared;
    lock_init(&upstream->lock, RANK_LEAF);
    cond_init(&upstream->answered);
    if (getrandom(&upstream->random, sizeof(upstream->random), GRND_NONBLOCK) < 0 ||
        upstream->random == 0)
        upstream->random = (uint64_t)clock_now() | 1;
    upstream->checks_anew =
        former != NULL &&
        !options_equal(SECTION_HEALTH_CHECK, &former->config->health_check, &config->health_check);
    upstream->bulletin = former != NULL ? bulletin_ref(former->bulletin) : bulletin_new();
    upstream->servers = calloc(config->n_servers, sizeof(*upstream->servers));
    return upstream->bulletin != NULL && upstream->servers != NULL;
}

void upstream_clear(struct upstream *upstream) UNCHECKED {
    struct roster *roster = &upstream->roster;

    for (size_t i = 0; i < roster->n; i++)
        slot_drop(&roster->slots[i], upstream->shared->members, upstream->shared->health);
    roster_free(roster);
}

void upstream_destroy(struct upstream *upstream) {
    for (size_t k = 0; upstream->servers != NULL && k < upstream->config->n_servers; k++) {
        free(upstream->servers[k].endpoints);
        orders_unref(upstream->servers[k].order);
    }
    free(upstream->servers);
    bulletin_unref(upstream->bulletin);
    cond_destroy(&upstream->answered);
    lock_destroy(&upstream->lock);
}

void upstream_begin(struct upstream *upstream) {
    lock_acquire(&upstream->lock);
    upstream->begun = true;
    roster_begin(&upstream->roster, true);
    lock_release(&upstream->lock);
}

void upstream_retire(struct upstream *upstream) {
    lock_acquire(&upstream->lock);
    upstream->retired = true;
    lock_release(&upstream->lock);
}

void upstream_cancel(struct upstream *upstream) {
    lock_acquire(&upstream->lock);
    upstream->cancelled = true;
    cond_broadcast(&upstream->answered);
    lock_release(&upstream->lock);
}

bool upstream_is_unreachable(const struct upstream *upstream) {
    return atomic_load(&upstream->bulletin->unreachable);
}

void upstream_say_unreachable(struct upstream *upstream) {
    bulletin_say_unreachable(upstream->bulletin, upstream->config->name);
}

void upstream_say_reachable(struct upstream *upstream) {
    bulletin_say_reachable(upstream->bulletin, upstream->config->name);
}

static bool regains(const struct upstream *upstream, const struct member *member, usec_t now) {
    usec_t since = atomic_load_explicit(&member->back_since, memory_order_relaxed);

    return since != 0 && upstream->config->slow_start > 0 &&
           now - since < upstream->config->slow_start;
}

static struct listed_member list_one_server(const struct server *server) {
    return (struct listed_member){.server = server->config,
                                  .weight = server_weight(server),
                                  .ordered = (enum order_state)atomic_load(&server->order->state)};
}

struct listed_member upstream_without_address(const struct upstream *upstream, size_t i) {
    return list_one_server(&upstream->servers[i]);
}

size_t upstream_list(struct upstream *upstream, struct listed_member *ret_list, size_t most) {
    usec_t now = clock_now();

    lock_acquire(&upstream->lock);
    size_t n = upstream->roster.n;
    for (size_t i = 0; i < n && i < most; i++) {
        const struct slot *slot = &upstream->roster.slots[i];

        ret_list[i] = list_one_server(slot->server);
        ret_list[i].member = member_ref(slot->member);
        ret_list[i].slow = regains(upstream, slot->member, now);
    }
    lock_release(&upstream->lock);
    return n;
}

bool upstream_resets(const struct upstream *upstream, const struct member *member) {
    struct server_order order;

    if (upstream->config->on_down != ON_DOWN_RESET)
        return false;
    return atomic_load(&member->down) ||
           (atomic_load(&orders_count) > 0 &&
            orders_find(member->upstream, member->server, &order) && order.state == ORDER_DOWN);
}

bool upstream_keeps(struct upstream *upstream, const struct member *member) {
    bool keeps = false;

    lock_acquire(&upstream->lock);
    for (size_t i = 0; i < upstream->roster.n && !keeps; i++)
        keeps = upstream->roster.slots[i].member == member &&
                server_weight(upstream->roster.slots[i].server) > 0;
    lock_release(&upstream->lock);
    return keeps && !atomic_load(&member->down);
}

bool upstream_is_drained(const struct upstream *upstream) {
    for (size_t i = 0; i < upstream->config->n_servers; i++)
        if (server_weight(&upstream->servers[i]) > 0)
            return false;
    return true;
}

bool upstream_awaits_names(const struct upstream *upstream) {
    if (upstream->n_coming == 0)
        return false;
    for (size_t i = 0; i < upstream->config->n_servers; i++)
        if (upstream->servers[i].coming && server_weight(&upstream->servers[i]) > 0)
            return true;
    return false;
}

void upstream_look_again(struct upstream *upstream) {
    usec_t now = clock_now();

    lock_acquire(&upstream->lock);
    for (size_t i = 0; i < upstream->roster.n; i++)
        member_set_drained(upstream->roster.slots[i].member,
                           slot_weight(&upstream->roster.slots[i]) == 0, now);
    upstream->n_answers++;
    cond_broadcast(&upstream->answered);
    lock_release(&upstream->lock);
    if (upstream->config->health_check.given)
        health_look_again(upstream->shared->health);
}

void upstream_count(struct upstream *upstream, size_t *ret_all, size_t *ret_up) {
    lock_acquire(&upstream->lock);
    roster_count(&upstream->roster, ret_all, ret_up);
    lock_release(&upstream->lock);
}

void upstream_note_trouble(struct upstream *upstream, struct member *member, const char *why) {
    (void)member_note_trouble(member, why);
    bulletin_note_trouble(upstream->bulletin, member, why);
}
