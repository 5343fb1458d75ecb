#include "road/generation.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "road/job.h"

/* The former one's line of this upstream, as a rule at the same index, or a new one. */
static struct line *get_line(const struct generation *former, size_t i, const char *upstream) {
    size_t n = former != NULL ? former->config->n_upstreams : 0;

    for (size_t k = 0; k < n; k++)
        if (strcmp(former->config->upstreams[(i + k) % n].name, upstream) == 0)
            return line_ref(former->lines[(i + k) % n]);
    return line_new();
}

static bool init_lines(struct generation *generation, const struct generation *former) {
    const struct config *config = generation->config;

    generation->lines = calloc(config->n_upstreams + 1, sizeof(*generation->lines));
    for (size_t i = 0; generation->lines != NULL && i < config->n_upstreams; i++) {
        generation->lines[i] = get_line(former, i, config->upstreams[i].name);
        if (generation->lines[i] == NULL)
            return false;
    }
    return generation->lines != NULL;
}

static void init_route(struct generation *generation, size_t i, struct route *route,
                       const struct route_config *section) {
    const struct config *config = generation->config;
    const struct listener_config *lc = &config->listeners[i];
    size_t upstream = section != NULL ? section->upstream : lc->upstream;

    *route = (struct route){
        .generation = generation,
        .config = lc,
        .section = section,
        .trunk = &generation->routes[i],
        .options = {.idle_timeout = lc->idle_timeout,
                    .linger_timeout = lc->linger_timeout,
                    .keepalive = lc->keepalive,
                    .half_close = lc->half_close,
                    .http = lc->mode == MODE_HTTP,
                    .exchanges = lc->mode == MODE_HTTP,
                    .idle_end = (enum idle_end)lc->idle_end,
                    .copy = (enum copy_mode)lc->copy,
                    .log = (enum log_connections)config->global.log_connections,
                    .min_rate = lc->min_rate},
        .limit = generation->limits[i],
    };
    if (upstream != NO_UPSTREAM) {
        route->upstream = &generation->upstreams->list[upstream];
        route->line = generation->lines[upstream];
    }
}

/* The listener's own, and its branches, from here on. How many these are. */
static size_t init_listener_routes(struct generation *generation, size_t i,
                                   struct route *branches) {
    const struct listener_config *lc = &generation->config->listeners[i];

    init_route(generation, i, &generation->routes[i], NULL);
    generation->routes[i].branches = branches;
    for (size_t k = 0; k < lc->n_routes; k++)
        init_route(generation, i, &branches[k], &lc->routes[k]);
    return lc->n_routes;
}

/* The former one's route that has this limit: the same listener, whatever its name is now. */
static const struct route *find_trunk(const struct generation *former, const struct limit *limit) {
    for (size_t i = 0; former != NULL && i < former->config->n_listeners; i++)
        if (former->limits[i] == limit)
            return &former->routes[i];
    return NULL;
}

/* Of the same pattern. As a rule it stands behind the one that was found last: *at. */
static struct route_count *get_count(const struct route *trunk, const char *pattern, size_t *at) {
    size_t n = trunk != NULL ? trunk->config->n_routes : 0;

    for (size_t k = 0; k < n; k++) {
        const struct route *branch = &trunk->branches[(*at + k) % n];

        if (branch->count == NULL || strcmp(branch->section->pattern, pattern) != 0)
            continue;
        *at = (*at + k + 1) % n;
        return route_count_ref(branch->count);
    }
    return route_count_new();
}

static bool init_counts(struct generation *generation, const struct generation *former, size_t i) {
    const struct listener_config *lc = &generation->config->listeners[i];
    const struct route *trunk = find_trunk(former, generation->limits[i]);
    size_t at = 0;

    for (size_t k = 0; lc->mode == MODE_HTTP && k < lc->n_routes; k++) {
        struct route *branch = &generation->routes[i].branches[k];

        branch->count = get_count(trunk, branch->section->pattern, &at);
        if (branch->count == NULL)
            return false;
    }
    return true;
}

static bool init_routes(struct generation *generation, const struct generation *former,
                        const struct limit_list *limits) {
    const struct config *config = generation->config;
    size_t n_branches = 0, made = 0;

    for (size_t i = 0; i < config->n_listeners; i++)
        n_branches += config->listeners[i].n_routes;
    generation->routes = calloc(config->n_listeners, sizeof(*generation->routes));
    generation->branches = calloc(n_branches + 1, sizeof(*generation->branches));
    generation->limits = calloc(config->n_listeners, sizeof(struct limit *));
    if (generation->routes == NULL || generation->branches == NULL || generation->limits == NULL ||
        !init_lines(generation, former) || !limit_list_choose(limits, config, generation->limits))
        return false;
    for (size_t i = 0; i < config->n_listeners; i++)
        made += init_listener_routes(generation, i, generation->branches + made);
    generation->n_branches = made;
    for (size_t i = 0; i < config->n_listeners; i++)
        if (!init_counts(generation, former, i))
            return false;
    return true;
}

/* All but its upstreams. */
static void free_generation(struct generation *generation) {
    for (size_t i = 0; generation->limits != NULL && i < generation->config->n_listeners; i++)
        limit_unref(generation->limits[i]);
    for (size_t i = 0; generation->lines != NULL && i < generation->config->n_upstreams; i++)
        line_unref(generation->lines[i]);
    for (size_t i = 0; i < generation->n_branches; i++)
        route_count_unref(generation->branches[i].count);
    free(generation->limits);
    free(generation->lines);
    free(generation->routes);
    free(generation->branches);
    config_unref(generation->config);
    free(generation);
}

struct generation *generation_new(struct config *config, struct upstreams *upstreams,
                                  const struct generation *former,
                                  const struct limit_list *limits) {
    struct generation *generation = calloc(1, sizeof(*generation));

    if (generation == NULL)
        return NULL;
    generation->config = config_ref(config);
    generation->upstreams = upstreams;
    if (!init_routes(generation, former, limits)) {
        free_generation(generation);
        return NULL;
    }
    return generation;
}

/* A listener is known by its limit, whatever its name is now. As a rule its index is the same. */
static void lead_on(struct generation *former, const struct generation *generation) {
    size_t n = generation->config->n_listeners;

    for (size_t i = 0; i < former->config->n_listeners; i++) {
        size_t k = 0;

        while (k < n && generation->limits[(i + k) % n] != former->limits[i])
            k++;
        if (k < n)
            atomic_store(&former->routes[i].next, &generation->routes[(i + k) % n]);
    }
}

void generation_begin(struct generation *generation, struct generation *former,
                      struct limit_list *limits) {
    limit_list_begin(limits, generation->config, generation->limits);
    if (former != NULL)
        upstreams_retire(former->upstreams);
    upstreams_begin(generation->upstreams);
    if (former != NULL)
        lead_on(former, generation);
}

bool route_opens(const struct route *route) {
    return listener_opens(route->config);
}

size_t generation_count_opening(const struct generation *generation) {
    size_t n = 0;

    for (size_t i = 0; i < generation->config->n_listeners; i++)
        n += route_opens(&generation->routes[i]);
    return n;
}

struct line *generation_line(const struct generation *generation, const char *upstream) {
    for (size_t i = 0; i < generation->config->n_upstreams; i++)
        if (strcmp(generation->config->upstreams[i].name, upstream) == 0)
            return generation->lines[i];
    return NULL;
}

void generation_ref(struct generation *generation) {
    atomic_fetch_add_explicit(&generation->refs, 1, memory_order_relaxed);
}

void generation_unref(struct generation *generation) {
    CHECK(atomic_fetch_sub_explicit(&generation->refs, 1, memory_order_release) > 0);
}

struct route *route_ref(struct route *route) {
    generation_ref(route->generation);
    return route;
}

void route_unref(struct route *route) {
    generation_unref(route->generation);
}

struct route *route_newest(struct route *route) {
    struct route *now = route->trunk, *next;

    while ((next = atomic_load(&now->next)) != NULL)
        now = next;
    return now;
}

bool generation_unused(const struct generation *generation) {
    return atomic_load_explicit(&generation->refs, memory_order_acquire) == 0;
}

void generation_free(struct generation *generation) {
    if (generation == NULL)
        return;
    CHECK(generation_unused(generation));
    upstreams_free(generation->upstreams);
    free_generation(generation);
}
