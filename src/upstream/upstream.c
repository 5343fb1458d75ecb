#include "upstream/upstream.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/text.h"
#include "config/options.h"

static void answered(struct server *server) {
    struct upstream *upstream = server->upstream;

    lock_acquire(&upstream->lock);
    if (server->awaited && upstream->n_awaited > 0) {
        server->awaited = false;
        upstream->n_awaited--;
    }
    cond_broadcast(&upstream->answered);
    lock_release(&upstream->lock);
}

/* The resolver has an answer, or none: then, as it has said in the log, the last good addresses stay in use. */
static void on_answer(void *arg, const struct dns_answer *answer, const char *why) {
    struct server *server = arg;

    (void)why;
    if (answer != NULL && !upstream_learn(server, answer->places, answer->n))
        log_msg(
            MSG_TROUBLE,
            "There is no memory for the addresses of %s/%s; ignoring them until the next lookup.",
            server->upstream->config->name, server->config->name);
    answered(server);
}

static bool same_name(const struct addr_spec *a, const struct addr_spec *b) {
    return a->form == b->form && a->port == b->port && strcmp(a->name, b->name) == 0;
}

/* The addresses that a name had in the configuration before: to go on with until it has been looked up. */
static size_t former_places(const struct server *server, struct dns_place places[DNS_PLACES_MAX]) {
    struct upstream *former = server->upstream->former;
    size_t n = 0;

    if (former == NULL)
        return 0;
    lock_acquire(&former->lock);
    for (size_t i = 0; i < former->roster.n && n < DNS_PLACES_MAX; i++) {
        const struct slot *slot = &former->roster.slots[i];

        if (strcmp(slot->server->config->name, server->config->name) == 0 &&
            same_name(&slot->server->config->address, &server->config->address))
            places[n++] = slot->place;
    }
    lock_release(&former->lock);
    return n;
}

/* There is no other thread yet. */
static bool init_server(struct server *server, struct upstream *upstream,
                        const struct server_config *config) UNCHECKED {
    const struct addr_spec *spec = &config->address;
    struct dns_place places[DNS_PLACES_MAX] = {{.addr = spec->addr, .weight = 1}};

    server->config = config;
    server->upstream = upstream;
    if (spec->form == ADDR_LITERAL)
        return upstream_learn(server, places, 1);
    size_t n = former_places(server, places);
    if (n > 0 && !upstream_learn(server, places, n))
        return false;
    server->awaited = true;
    upstream->n_awaited++;
    return names_add(upstream->all->names, spec, upstream->config->resolve_interval, n > 0,
                     on_answer, server);
}

static bool init_upstream(struct upstreams *all, size_t i,
                          const struct upstreams *former) UNCHECKED {
    struct upstream *upstream = &all->list[i];
    const struct upstream_config *config = &all->config->upstreams[i];

    upstream->config = config;
    upstream->all = all;
    lock_init(&upstream->lock, RANK_LEAF);
    cond_init(&upstream->answered);
    all->n++; /* from here on upstreams_free frees it */
    if (getrandom(&upstream->random, sizeof(upstream->random), GRND_NONBLOCK) < 0 ||
        upstream->random == 0)
        upstream->random = (uint64_t)clock_now() | 1;
    for (size_t k = 0; former != NULL && k < former->n; k++)
        if (strcmp(former->list[k].config->name, config->name) == 0)
            upstream->former = &former->list[k];
    upstream->checks_anew =
        upstream->former != NULL &&
        !options_equal(SECTION_HEALTH_CHECK, &upstream->former->config->health_check,
                       &config->health_check);
    upstream->bulletin =
        upstream->former != NULL ? bulletin_ref(upstream->former->bulletin) : bulletin_new();
    upstream->servers = calloc(config->n_servers, sizeof(*upstream->servers));
    if (upstream->bulletin == NULL || upstream->servers == NULL)
        return false;
    for (size_t k = 0; k < config->n_servers; k++)
        if (!init_server(&upstream->servers[k], upstream, &config->servers[k]))
            return false;
    upstream->former = NULL;
    return true;
}

struct upstreams *upstreams_new(struct config *config, const struct upstreams *former,
                                upstream_down_fn *on_down, void *arg) {
    struct upstreams *all = calloc(1, sizeof(*all));

    if (all == NULL)
        return NULL;
    all->config = config_ref(config);
    all->on_down = on_down;
    all->arg = arg;
    all->names = names_new();
    all->health = health_new();
    all->list = calloc(config->n_upstreams, sizeof(*all->list));
    if (all->names == NULL || all->health == NULL || all->list == NULL)
        goto fail;
    for (size_t i = 0; i < config->n_upstreams; i++)
        if (!init_upstream(all, i, former))
            goto fail;
    return all;
fail:
    upstreams_free(all);
    return NULL;
}

static bool any_checks(const struct config *config) {
    for (size_t i = 0; i < config->n_upstreams; i++)
        if (config->upstreams[i].health_check.given)
            return true;
    return false;
}

int upstreams_start(struct upstreams *upstreams) {
    int r = any_checks(upstreams->config) ? health_start(upstreams->health) : 0;

    return r < 0 ? r : names_start(upstreams->names);
}

void upstreams_begin(struct upstreams *upstreams) {
    health_begin(upstreams->health);
    for (size_t i = 0; i < upstreams->n; i++) {
        struct upstream *upstream = &upstreams->list[i];

        lock_acquire(&upstream->lock);
        for (size_t k = 0; k < upstream->roster.n; k++) {
            const struct slot *slot = &upstream->roster.slots[k];

            atomic_store(&slot->member->most, slot->server->config->max_connections);
            if (slot->target == NULL)
                member_unchecked(slot->member, slot->weight > 0, clock_now());
        }
        lock_release(&upstream->lock);
    }
}

void upstreams_retire(struct upstreams *upstreams) {
    names_retire(upstreams->names);
    health_retire(upstreams->health);
    for (size_t i = 0; i < upstreams->n; i++) {
        struct upstream *upstream = &upstreams->list[i];

        lock_acquire(&upstream->lock);
        upstream->retired = true;
        upstream->n_awaited = 0; /* no answer will come */
        cond_broadcast(&upstream->answered);
        lock_release(&upstream->lock);
    }
}

void upstreams_cancel(struct upstreams *upstreams) {
    for (size_t i = 0; i < upstreams->n; i++) {
        struct upstream *upstream = &upstreams->list[i];

        lock_acquire(&upstream->lock);
        upstream->cancelled = true;
        cond_broadcast(&upstream->answered);
        lock_release(&upstream->lock);
    }
}

void upstreams_free(struct upstreams *upstreams) UNCHECKED {
    if (upstreams == NULL)
        return;
    names_free(upstreams->names);   /* no more answers: the lists stay as they are */
    health_stop(upstreams->health); /* nor does the checker look at them any more */
    for (size_t i = 0; i < upstreams->n; i++)
        roster_clear(&upstreams->list[i].roster, upstreams->health);
    health_free(upstreams->health);
    for (size_t i = 0; i < upstreams->n; i++) {
        struct upstream *upstream = &upstreams->list[i];

        for (size_t k = 0; k < upstream->n_expected; k++)
            member_unref(upstream->expected[k]);
        free(upstream->expected);
        free(upstream->servers);
        bulletin_unref(upstream->bulletin);
        cond_destroy(&upstream->answered);
        lock_destroy(&upstream->lock);
    }
    free(upstreams->list);
    config_unref(upstreams->config);
    free(upstreams);
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

void upstream_count(struct upstream *upstream, size_t *ret_all, size_t *ret_up) {
    usec_t now = clock_coarse();
    size_t all = 0, up = 0;

    lock_acquire(&upstream->lock);
    for (size_t i = 0; i < upstream->roster.n; i++) {
        const struct slot *slot = &upstream->roster.slots[i];

        all += slot->weight > 0;
        up += slot->weight > 0 && member_is_used(slot->member, now);
    }
    lock_release(&upstream->lock);
    *ret_all = all;
    *ret_up = up;
}

void upstream_note_trouble(struct upstream *upstream, const struct member *member,
                           const char *why) {
    bulletin_note_trouble(upstream->bulletin, member, why);
}

void upstreams_describe(struct upstreams *upstreams, char *buf, size_t size) {
    for (size_t i = 0; i < upstreams->n; i++) {
        struct upstream *upstream = &upstreams->list[i];
        char trouble[BULLETIN_TROUBLE_MAX];
        size_t all, up;

        upstream_count(upstream, &all, &up);
        if (up == all)
            continue;
        (void)bulletin_trouble(upstream->bulletin, trouble, sizeof(trouble));
        text_append(buf, size, " %zu of %zu addresses of %s can be used%s%s%s.", up, all,
                    upstream->config->name, trouble[0] != '\0' ? " (" : "", trouble,
                    trouble[0] != '\0' ? ")" : "");
    }
}
