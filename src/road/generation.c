#include "road/generation.h"

#include <stdatomic.h>
#include <stdio.h>
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

    generation->lines = calloc(config->n_upstreams, sizeof(*generation->lines));
    for (size_t i = 0; generation->lines != NULL && i < config->n_upstreams; i++) {
        generation->lines[i] = get_line(former, i, config->upstreams[i].name);
        if (generation->lines[i] == NULL)
            return false;
    }
    return generation->lines != NULL;
}

static void init_route(struct generation *generation, size_t i) {
    const struct config *config = generation->config;
    const struct listener_config *lc = &config->listeners[i];

    generation->routes[i] = (struct route){
        .generation = generation,
        .config = lc,
        .upstream = &generation->upstreams->list[lc->upstream],
        .options = {.idle_timeout = lc->idle_timeout,
                    .linger_timeout = lc->linger_timeout,
                    .keepalive = lc->keepalive,
                    .half_close = lc->half_close,
                    .http = lc->mode == MODE_HTTP,
                    .idle_end = (enum idle_end)lc->idle_end,
                    .copy = (enum copy_mode)lc->copy,
                    .log = (enum log_connections)config->global.log_connections,
                    .min_rate = lc->min_rate},
        .limit = generation->limits[i],
        .line = generation->lines[lc->upstream],
    };
}

static bool init_routes(struct generation *generation, const struct generation *former,
                        const struct limit_list *limits) {
    const struct config *config = generation->config;

    generation->routes = calloc(config->n_listeners, sizeof(*generation->routes));
    generation->limits = calloc(config->n_listeners, sizeof(struct limit *));
    if (generation->routes == NULL || generation->limits == NULL ||
        !init_lines(generation, former) || !limit_list_choose(limits, config, generation->limits))
        return false;
    for (size_t i = 0; i < config->n_listeners; i++)
        init_route(generation, i);
    return true;
}

/* All but its upstreams. */
static void free_generation(struct generation *generation) {
    for (size_t i = 0; generation->limits != NULL && i < generation->config->n_listeners; i++)
        limit_unref(generation->limits[i]);
    for (size_t i = 0; generation->lines != NULL && i < generation->config->n_upstreams; i++)
        line_unref(generation->lines[i]);
    free(generation->limits);
    free(generation->lines);
    free(generation->routes);
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

bool route_follow(struct job *job) {
    struct route *before = job->route, *now = before, *next;

    while ((next = atomic_load(&now->next)) != NULL)
        now = next;
    if (now == before)
        return false;
    job->route = route_ref(now);
    route_unref(before);
    snprintf(job->record.upstream, sizeof(job->record.upstream), "%s", now->upstream->config->name);
    return true;
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
