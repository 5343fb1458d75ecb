#include "upstream/upstreams.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "upstream/enlist.h"

static void on_server_endpoints(void *arg, const struct endpoints *endpoints) {
    struct server *server = arg;

    if (endpoints != NULL && !server_learn(server, endpoints->list, endpoints->n))
        log_msg(MSG_TROUBLE,
                "There is no memory for the addresses of %s/%s; ignoring them until they change.",
                server->upstream->config->name, server->config->name);
    server->upstream->changed = server->upstream->changed || endpoints != NULL;
}

static void note_coming(struct server *server, bool coming) REQUIRES(server->upstream->lock) {
    server->upstream->n_coming += (size_t)coming - (size_t)server->coming;
    server->coming = coming;
}

/* All servers of the upstream have learned what is new: the first to be told makes the new
 * roster. */
static void on_settled(void *arg, bool coming) {
    struct server *server = arg;
    struct upstream *upstream = server->upstream;

    if (upstream->changed && !enlist_members(upstream))
        log_msg(MSG_TROUBLE,
                "There is no memory for some addresses of upstream %s; ignoring them until they "
                "change.",
                upstream->config->name);
    upstream->changed = false;
    lock_acquire(&server->upstream->lock); /* as note_coming names it */
    note_coming(server, coming);
    upstream->n_answers++;
    cond_broadcast(&upstream->answered);
    lock_release(&server->upstream->lock);
}

static const struct names_watcher listener = {.answered = on_server_endpoints,
                                              .settled = on_settled};

/* There is no other thread yet. */
static bool init_server(struct server *server, struct upstream *upstream,
                        const struct server_config *config, struct names *names) UNCHECKED {
    const struct addr_spec *spec = &config->address;
    const struct endpoint endpoint = {.addr = spec->addr, .weight = 1};

    server->config = config;
    server->upstream = upstream;
    server->order = orders_get(upstream->config->name, config->name);
    if (server->order == NULL)
        return false;
    if (spec->form == ADDR_LITERAL)
        return server_learn(server, &endpoint, 1);
    note_coming(server, true);
    const struct name_owner owner = {upstream->config->name, config->name};
    return names_add(names, spec, owner, upstream->config->resolve_interval, &listener, server);
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

struct upstream *upstreams_find(const struct upstreams *upstreams, const char *name) {
    struct upstream **at = bsearch(name, upstreams->by_name, upstreams->n,
                                   sizeof(struct upstream *), match_upstream_name);

    return at != NULL ? *at : NULL;
}

static bool add_upstream(struct upstreams *all, const struct upstream_config *config,
                         const struct upstreams *former) UNCHECKED {
    struct upstream *upstream = &all->list[all->n++]; /* upstreams_free frees it from here on */
    struct upstream *before = former != NULL ? upstreams_find(former, config->name) : NULL;

    if (!upstream_init(upstream, config, &all->shared, before))
        return false;
    for (size_t k = 0; k < config->n_servers; k++)
        if (!init_server(&upstream->servers[k], upstream, &config->servers[k], all->names))
            return false;
    if (!enlist_members(upstream))
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
    all->shared.on_down = on_down;
    all->shared.arg = arg;
    all->shared.members = former != NULL ? members_ref(former->shared.members) : members_new();
    all->shared.health = health_new();
    all->resolver = former != NULL ? resolver_ref(former->resolver) : resolver_new(&dns_cares);
    all->names = names_new();
    all->list = calloc(config->n_upstreams + 1, sizeof(*all->list));
    if (all->shared.members == NULL || all->shared.health == NULL || all->resolver == NULL ||
        all->names == NULL || all->list == NULL)
        goto fail;
    for (size_t i = 0; i < config->n_upstreams; i++)
        if (!add_upstream(all, &config->upstreams[i], former))
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
    int r = any_checks(upstreams->config) ? health_start(upstreams->shared.health) : 0;

    return r < 0 ? r : resolver_join(upstreams->resolver, upstreams->names);
}

void upstreams_begin(struct upstreams *upstreams) {
    health_begin(upstreams->shared.health);
    for (size_t i = 0; i < upstreams->n; i++)
        upstream_begin(&upstreams->list[i]);
}

void upstreams_retire(struct upstreams *upstreams) {
    names_retire(upstreams->names);
    health_retire(upstreams->shared.health);
    for (size_t i = 0; i < upstreams->n; i++)
        upstream_retire(&upstreams->list[i]);
}

void upstreams_cancel(struct upstreams *upstreams) {
    for (size_t i = 0; i < upstreams->n; i++)
        upstream_cancel(&upstreams->list[i]);
}

void upstreams_free(struct upstreams *upstreams) {
    if (upstreams == NULL)
        return;
    resolver_leave(upstreams->resolver, upstreams->names); /* the rosters stay as they are */
    if (upstreams->shared.health != NULL)
        health_stop(upstreams->shared.health); /* nor does the checker look at them any more */
    for (size_t i = 0; i < upstreams->n; i++)
        upstream_clear(&upstreams->list[i]);
    health_free(upstreams->shared.health);
    for (size_t i = 0; i < upstreams->n; i++)
        upstream_destroy(&upstreams->list[i]);
    free(upstreams->list);
    free(upstreams->by_name);
    names_free(upstreams->names);
    resolver_unref(upstreams->resolver);
    members_unref(upstreams->shared.members);
    config_unref(upstreams->config);
    free(upstreams);
}

void upstreams_describe(struct upstreams *upstreams, char *buf, size_t size) {
    for (size_t i = 0; i < upstreams->n; i++) {
        struct upstream *upstream = &upstreams->list[i];
        char trouble[BULLETIN_TROUBLE_MAX];
        size_t all, up;

        upstream_count(upstream, &all, &up);
        if (upstream_is_drained(upstream))
            text_append(buf, size, " %s is drained.", upstream->config->name);
        if (up == all)
            continue;
        (void)bulletin_trouble(upstream->bulletin, trouble, sizeof(trouble));
        text_append(buf, size, " %zu of %zu addresses of %s are usable%s%s%s.", up, all,
                    upstream->config->name, trouble[0] != '\0' ? " (" : "", trouble,
                    trouble[0] != '\0' ? ")" : "");
    }
}

struct member *upstreams_member(struct upstreams *upstreams, const char *upstream,
                                const char *server, const struct addr *addr) {
    return members_get(upstreams->shared.members, upstream, server, addr);
}
