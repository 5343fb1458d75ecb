#include "upstream/upstream.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define STOP_PATIENCE (2 * USEC_PER_SEC) /* with a lookup, at the end of the process */

/* The addresses that a name had in another configuration, or NULL. */
static struct addr_list *known_addresses(const struct upstreams *former,
                                         const struct addr_spec *spec) {
    for (size_t i = 0; former != NULL && i < former->n; i++)
        for (size_t j = 0; j < former->list[i].n_servers; j++) {
            const struct server *server = &former->list[i].servers[j];
            const struct addr_spec *other = &server->config->address;

            if (server->name != NULL && other->port == spec->port &&
                strcmp(other->name, spec->name) == 0)
                return resolver_known(former->resolver, server->name);
        }
    return NULL;
}

static bool init_server(struct server *server, const struct server_config *config,
                        struct resolver *resolver, usec_t interval,
                        const struct upstreams *former) {
    const struct addr_spec *spec = &config->address;

    server->config = config;
    server->resolver = resolver;
    if (spec->form == ADDR_LITERAL)
        server->literal = addr_list_new(&spec->addr, 1);
    else
        server->name =
            resolver_add(resolver, spec->name, spec->port, interval, known_addresses(former, spec));
    return server->literal != NULL || server->name != NULL;
}

static bool init_upstream(struct upstream *upstream, const struct upstream_config *config,
                          struct resolver *resolver, const struct upstreams *former) {
    upstream->config = config;
    upstream->servers = calloc(config->n_servers, sizeof(*upstream->servers));
    if (upstream->servers == NULL)
        return false;
    upstream->n_servers = config->n_servers;
    for (size_t i = 0; i < config->n_servers; i++)
        if (!init_server(&upstream->servers[i], &config->servers[i], resolver,
                         config->resolve_interval, former))
            return false;
    return true;
}

struct upstreams *upstreams_new(struct config *config, const struct upstreams *former) {
    struct upstreams *upstreams = calloc(1, sizeof(*upstreams));

    if (upstreams == NULL)
        return NULL;
    upstreams->config = config_ref(config);
    upstreams->resolver = resolver_new(resolver_lookup_libc);
    upstreams->list = calloc(config->n_upstreams, sizeof(*upstreams->list));
    if (upstreams->resolver == NULL || upstreams->list == NULL)
        goto fail;
    upstreams->n = config->n_upstreams;
    for (size_t i = 0; i < upstreams->n; i++)
        if (!init_upstream(&upstreams->list[i], &config->upstreams[i], upstreams->resolver, former))
            goto fail;
    return upstreams;
fail:
    upstreams_free(upstreams);
    return NULL;
}

int upstreams_start(struct upstreams *upstreams) {
    return resolver_start(upstreams->resolver);
}

void upstreams_cancel(struct upstreams *upstreams) {
    resolver_cancel(upstreams->resolver);
}

bool upstreams_stop(struct upstreams *upstreams, usec_t deadline) {
    return upstreams->resolver == NULL || resolver_stop(upstreams->resolver, deadline);
}

void upstreams_free(struct upstreams *upstreams) {
    if (upstreams == NULL)
        return;
    if (!upstreams_stop(upstreams, clock_now() + STOP_PATIENCE))
        return;
    for (size_t i = 0; i < upstreams->n; i++) {
        struct upstream *upstream = &upstreams->list[i];

        for (size_t j = 0; j < upstream->n_servers; j++)
            addr_list_unref(upstream->servers[j].literal);
        free(upstream->servers);
    }
    free(upstreams->list);
    resolver_free(upstreams->resolver);
    config_unref(upstreams->config);
    free(upstreams);
}

struct server *upstream_pick(struct upstream *upstream, size_t tried) {
    return tried < upstream->n_servers ? &upstream->servers[tried] : NULL;
}

enum resolver_outcome server_addresses(struct server *server, usec_t deadline,
                                       struct addr_list **ret_list) {
    if (server->literal != NULL) {
        *ret_list = addr_list_ref(server->literal);
        return RESOLVER_OK;
    }
    return resolver_get(server->resolver, server->name, deadline, ret_list);
}
