#include "relay/generation.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static struct limit *get_limit(const struct generation *former, const char *listener) {
    for (size_t i = 0; former != NULL && i < former->config->n_listeners; i++)
        if (strcmp(former->config->listeners[i].name, listener) == 0)
            return limit_ref(former->routes[i].limit);
    return limit_new();
}

/* As a rule it is where it was. */
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

static bool init_route(struct generation *generation, size_t i, const struct generation *former) {
    const struct config *config = generation->config;
    const struct listener_config *lc = &config->listeners[i];

    generation->routes[i] = (struct route){
        .generation = generation,
        .config = lc,
        .upstream = &generation->upstreams->list[lc->upstream],
        .options = {.idle_timeout = lc->idle_timeout,
                    .linger_timeout = lc->linger_timeout,
                    .half_close = lc->half_close,
                    .http = lc->mode == MODE_HTTP,
                    .idle_end = (enum idle_end)lc->idle_end,
                    .copy = (enum copy_mode)lc->copy,
                    .log = (enum log_connections)config->global.log_connections},
        .limit = get_limit(former, lc->name),
        .line = generation->lines[lc->upstream],
    };
    return generation->routes[i].limit != NULL;
}

static void free_routes(struct generation *generation) {
    for (size_t i = 0; generation->routes != NULL && i < generation->config->n_listeners; i++)
        limit_unref(generation->routes[i].limit);
    for (size_t i = 0; generation->lines != NULL && i < generation->config->n_upstreams; i++)
        line_unref(generation->lines[i]);
    free(generation->routes);
    free(generation->lines);
}

struct generation *generation_new(struct config *config, struct upstreams *upstreams,
                                  const struct generation *former) {
    struct generation *generation = calloc(1, sizeof(*generation));

    if (generation == NULL)
        return NULL;
    generation->config = config;
    generation->upstreams = upstreams;
    generation->routes = calloc(config->n_listeners, sizeof(*generation->routes));
    bool whole = generation->routes != NULL && init_lines(generation, former);
    for (size_t i = 0; whole && i < config->n_listeners; i++)
        whole = init_route(generation, i, former);
    if (!whole) {
        free_routes(generation);
        free(generation);
        return NULL;
    }
    (void)config_ref(config);
    return generation;
}

void generation_begin(struct generation *generation, struct generation *former) {
    for (size_t i = 0; i < generation->config->n_listeners; i++)
        limit_set(generation->routes[i].limit, &generation->config->listeners[i]);
    if (former != NULL)
        upstreams_retire(former->upstreams);
    upstreams_begin(generation->upstreams);
}

struct line *generation_line(const struct generation *generation, const char *upstream) {
    for (size_t i = 0; i < generation->config->n_upstreams; i++)
        if (strcmp(generation->config->upstreams[i].name, upstream) == 0)
            return generation->lines[i];
    return NULL;
}

struct route *route_ref(struct route *route) {
    atomic_fetch_add_explicit(&route->generation->refs, 1, memory_order_relaxed);
    return route;
}

void route_unref(struct route *route) {
    CHECK(atomic_fetch_sub_explicit(&route->generation->refs, 1, memory_order_release) > 0);
}

bool generation_unused(const struct generation *generation) {
    return atomic_load_explicit(&generation->refs, memory_order_acquire) == 0;
}

void generation_free(struct generation *generation) {
    if (generation == NULL)
        return;
    CHECK(generation_unused(generation));
    upstreams_free(generation->upstreams);
    free_routes(generation);
    config_unref(generation->config);
    free(generation);
}

usec_t generation_shortest_timeout(const struct generation *generation) {
    const struct config *config = generation->config;
    usec_t shortest = USEC_NEVER;

    for (size_t i = 0; i < config->n_listeners; i++) {
        const struct listener_config *lc = &config->listeners[i];

        if (lc->idle_timeout > 0 && lc->idle_timeout < shortest)
            shortest = lc->idle_timeout;
        if (lc->linger_timeout < shortest)
            shortest = lc->linger_timeout;
    }
    return shortest;
}
