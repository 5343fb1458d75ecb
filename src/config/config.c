#include "config/config.h"

#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "config/error_pages.h"
#include "config/route_index.h"
#include "tls/client.h"
#include "tls/server.h"
#include "wire/proxy_protocol.h"

#define WARNING_MAX 1024 /* beside the path */

/* The references are nobody's business but this file's. */
struct shared_config {
    struct config config; /* first, so that a pointer to one is a pointer to the other */
    atomic_uint references;
};

struct config *config_new(const char *path) {
    struct shared_config *shared = calloc(1, sizeof *shared);

    if (!shared)
        return NULL;
    atomic_init(&shared->references, 1);
    shared->config.path = strdup(path);
    if (!shared->config.path) {
        free(shared);
        return NULL;
    }
    return &shared->config;
}

struct config *config_ref(struct config *config) {
    struct shared_config *shared = (struct shared_config *)config;

    CHECK(atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed) > 0);
    return config;
}

static void free_prefixes(struct prefix_list *list) {
    for (size_t i = 0; i < list->n; i++)
        free(list->texts[i]);
    free(list->texts);
}

static void free_text_list(struct text_list *list) {
    for (size_t i = 0; i < list->n; i++)
        free(list->texts[i]);
    free(list->texts);
}

static void free_listener_tls(struct listener_tls_config *tls) {
    free_text_list(&tls->certificate);
    free(tls->key);
    free(tls->ciphers);
    free(tls->groups);
    free_text_list(&tls->alpn);
    free(tls->ca);
    free(tls->crl);
    free(tls->ticket_keys);
    tls_server_unref(tls->server);
}

static void free_upstream_tls(struct upstream_tls_config *tls) {
    free(tls->ca);
    free(tls->name);
    free_text_list(&tls->alpn);
    free(tls->certificate);
    free(tls->key);
    tls_client_unref(tls->client);
}

static void free_addresses(struct listen_address *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        free(list[i].text);
    free(list);
}

static void free_route(struct route_config *route) {
    free(route->redirect);
    free_text_list(&route->set_request);
    free_text_list(&route->add_request);
    free_text_list(&route->remove_request);
    header_edits_free(&route->request);
    free_text_list(&route->set_response);
    free_text_list(&route->add_response);
    free_text_list(&route->remove_response);
    header_edits_free(&route->response);
    free(route->error_pages);
    error_pages_unref(route->pages);
}

/* What it has for mode http. */
static void free_listener_http(struct listener_config *listener) {
    for (size_t i = 0; i < listener->n_routes; i++)
        free_route(&listener->routes[i]);
    free(listener->routes);
    free_route(&listener->own);
    route_index_free(listener->index);
    free(listener->redirect);
    free_text_list(&listener->set_request);
    free_text_list(&listener->add_request);
    free_text_list(&listener->remove_request);
    free_text_list(&listener->set_response);
    free_text_list(&listener->add_response);
    free_text_list(&listener->remove_response);
    free_prefixes(&listener->trusted_proxies);
    prefix_set_free(listener->trusted);
}

static void free_listener(struct listener_config *listener) {
    free_listener_http(listener);
    free_addresses(listener->address, listener->n_address);
    free_prefixes(&listener->proxy_from);
    free_prefixes(&listener->allow);
    free_prefixes(&listener->deny);
    free(listener->socket_mode);
    free(listener->socket_user);
    free(listener->socket_group);
    free(listener->error_pages);
    error_pages_unref(listener->pages);
    prefix_set_free(listener->senders);
    prefix_set_free(listener->access);
    free_listener_tls(&listener->tls);
}

static void free_upstream(struct upstream_config *upstream) {
    for (size_t i = 0; i < upstream->n_servers; i++)
        free(upstream->servers[i].address_text);
    free(upstream->servers);
    for (size_t i = 0; i < upstream->source_address.n; i++)
        free(upstream->source_address.texts[i]);
    free(upstream->source_address.texts);
    free(upstream->source_address.addrs);
    free(upstream->cookie);
    free(upstream->cookie_key);
    free(upstream->health_check.path);
    free(upstream->health_check.host);
    free(upstream->health_check.user);
    free(upstream->health_check.send);
    free(upstream->health_check.expect);
    pattern_free(upstream->health_check.pattern);
    free_upstream_tls(&upstream->tls);
}

void config_unref(struct config *config) {
    struct shared_config *shared = (struct shared_config *)config;

    if (!config || atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < config->n_listeners; i++)
        free_listener(&config->listeners[i]);
    for (size_t i = 0; i < config->n_upstreams; i++)
        free_upstream(&config->upstreams[i]);
    for (size_t i = 0; i < config->n_secrets; i++)
        free(config->secrets[i].written);
    free(config->secrets);
    for (size_t i = 0; i < config->n_notes; i++)
        free(config->notes[i].what);
    free(config->notes);
    free(config->listeners);
    free(config->upstreams);
    free_addresses(config->status.address, config->status.n_address);
    free(config->status.places);
    free(config->global.keeper);
    free(config->global.control);
    free(config->global.instance);
    free(config->global.log_requests);
    free(config->global.access_log);
    places_free(&config->places);
    free(config->path);
    free(shared);
}

void config_warn_of(const struct config *config, int line, config_warning_fn *on_warning, void *arg,
                    const char *fmt, ...) {
    char where[PATH_MAX + 16], sentence[WARNING_MAX + sizeof(".")];
    const char *path = places_find(&config->places, line, &line);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(sentence, WARNING_MAX, fmt, ap);
    va_end(ap);
    strcat(sentence, ".");
    snprintf(where, sizeof(where), "%s:%d: ", path, line);
    on_warning(arg, where, sentence);
}

int config_log_level(const struct config *config) {
    static const enum log_level levels[] = {
        LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG,
    };

    CHECK(config->global.log_level >= 0 && config->global.log_level < (int)ARRAY_LEN(levels));
    return (int)levels[config->global.log_level];
}

size_t listener_upstream(const struct listener_config *listener, size_t i) {
    return i < listener->n_routes ? listener->routes[i].upstream : listener->upstream;
}

bool listener_leads_to(const struct listener_config *listener, size_t upstream) {
    for (size_t i = 0; i <= listener->n_routes; i++)
        if (listener_upstream(listener, i) == upstream)
            return true;
    return false;
}

bool listener_hears_hello(const struct listener_config *listener) {
    return (listener->n_routes > 0 && listener->mode != MODE_HTTP) || listener->tls.given;
}

bool listener_opens(const struct listener_config *listener) {
    return listener->accept_proxy != PROXY_OFF || listener_hears_hello(listener);
}
