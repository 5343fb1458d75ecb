#include "upstream/upstream.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/text.h"
#include "config/options.h"
#include "upstream/groups.h"

static void on_server_endpoints(void *arg, const struct endpoints *endpoints) {
    struct server *server = arg;

    if (endpoints != NULL && !roster_learn(server, endpoints->list, endpoints->n))
        log_msg(MSG_TROUBLE,
                "There is no memory for the addresses of %s/%s; ignoring them until they change.",
                server->upstream->config->name, server->config->name);
    server->upstream->changed = server->upstream->changed || endpoints != NULL;
}

/* The first of its servers to be told makes the new list of all. Those who wait for names look
 * again. */
static void on_settled(void *arg, bool coming) {
    struct server *server = arg;
    struct upstream *upstream = server->upstream;

    if (upstream->changed && !roster_settle(upstream))
        log_msg(MSG_TROUBLE,
                "There is no memory for some addresses of upstream %s; ignoring them until they "
                "change.",
                upstream->config->name);
    upstream->changed = false;
    lock_acquire(&upstream->lock);
    upstream->n_coming += (size_t)coming - (size_t)server->coming;
    server->coming = coming;
    upstream->n_answers++;
    cond_broadcast(&upstream->answered);
    lock_release(&upstream->lock);
}

static const struct names_listener listener = {.answered = on_server_endpoints,
                                               .settled = on_settled};

/* There is no other thread yet. */
static bool init_server(struct server *server, struct upstream *upstream,
                        const struct server_config *config) UNCHECKED {
    const struct addr_spec *spec = &config->address;
    const struct endpoint endpoint = {.addr = spec->addr, .weight = 1};

    server->config = config;
    server->upstream = upstream;
    if (spec->form == ADDR_LITERAL)
        return roster_learn(server, &endpoint, 1);
    server->coming = true;
    upstream->n_coming++;
    return names_add(upstream->all->names, spec, upstream->config->resolve_interval, &listener,
                     server);
}

static int compare_upstreams(const void *a, const void *b) {
    const struct upstream *const *x = a, *const *y = b;

    return strcmp((*x)->config->name, (*y)->config->name);
}

static int match_upstream_name(const void *name, const void *element) {
    const struct upstream *const *upstream = element;

    return strcmp(name, (*upstream)->config->name);
}

static bool sort_by_name(struct upstreams *all) {
    all->by_name = calloc(all->n, sizeof(struct upstream *));
    if (all->by_name == NULL)
        return false;
    for (size_t i = 0; i < all->n; i++)
        all->by_name[i] = &all->list[i];
    qsort(all->by_name, all->n, sizeof(struct upstream *), compare_upstreams);
    return true;
}

static struct upstream *find_former_upstream(const struct upstreams *former, const char *name) {
    struct upstream **at = former != NULL ? bsearch(name, former->by_name, former->n,
                                                    sizeof(struct upstream *), match_upstream_name)
                                          : NULL;

    return at != NULL ? *at : NULL;
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
    struct upstream *before = find_former_upstream(former, config->name);
    upstream->checks_anew =
        before != NULL &&
        !options_equal(SECTION_HEALTH_CHECK, &before->config->health_check, &config->health_check);
    upstream->bulletin = before != NULL ? bulletin_ref(before->bulletin) : bulletin_new();
    upstream->servers = calloc(config->n_servers, sizeof(*upstream->servers));
    if (upstream->bulletin == NULL || upstream->servers == NULL)
        return false;
    for (size_t k = 0; k < config->n_servers; k++)
        if (!init_server(&upstream->servers[k], upstream, &config->servers[k]))
            return false;
    if (!roster_settle(upstream))
        return false;
    if (before != NULL) {
        lock_acquire(&before->lock);
        groups_follow(upstream->roster.groups, before->roster.groups);
        lock_release(&before->lock);
    }
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
    all->members = former != NULL ? members_ref(former->members) : members_new();
    all->resolver = former != NULL ? resolver_ref(former->resolver) : resolver_new(&dns_cares);
    all->names = names_new();
    all->health = health_new();
    all->list = calloc(config->n_upstreams, sizeof(*all->list));
    if (all->members == NULL || all->resolver == NULL || all->names == NULL ||
        all->health == NULL || all->list == NULL)
        goto fail;
    for (size_t i = 0; i < config->n_upstreams; i++)
        if (!init_upstream(all, i, former))
            goto fail;
    if (!sort_by_name(all))
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

    return r < 0 ? r : resolver_join(upstreams->resolver, upstreams->names);
}

void upstreams_begin(struct upstreams *upstreams) {
    health_begin(upstreams->health);
    for (size_t i = 0; i < upstreams->n; i++) {
        struct upstream *upstream = &upstreams->list[i];

        lock_acquire(&upstream->lock);
        upstream->begun = true;
        roster_begin(upstream, true);
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
    resolver_leave(upstreams->resolver, upstreams->names); /* the lists stay as they are */
    health_stop(upstreams->health); /* nor does the checker look at them any more */
    for (size_t i = 0; i < upstreams->n; i++)
        roster_clear(&upstreams->list[i]);
    health_free(upstreams->health);
    for (size_t i = 0; i < upstreams->n; i++) {
        struct upstream *upstream = &upstreams->list[i];

        for (size_t k = 0; upstream->servers != NULL && k < upstream->config->n_servers; k++)
            free(upstream->servers[k].endpoints);
        free(upstream->servers);
        bulletin_unref(upstream->bulletin);
        cond_destroy(&upstream->answered);
        lock_destroy(&upstream->lock);
    }
    free(upstreams->list);
    free(upstreams->by_name);
    names_free(upstreams->names);
    resolver_unref(upstreams->resolver);
    members_unref(upstreams->members);
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
        if (upstream->config->drained)
            text_append(buf, size, " %s is drained.", upstream->config->name);
        if (up == all)
            continue;
        (void)bulletin_trouble(upstream->bulletin, trouble, sizeof(trouble));
        text_append(buf, size, " %zu of %zu addresses of %s can be used%s%s%s.", up, all,
                    upstream->config->name, trouble[0] != '\0' ? " (" : "", trouble,
                    trouble[0] != '\0' ? ")" : "");
    }
}

struct member *upstreams_member(struct upstreams *upstreams, const char *upstream,
                                const char *server, const struct addr *addr) {
    return members_get(upstreams->members, upstream, server, addr);
}
