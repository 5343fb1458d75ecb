#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/build.h"
#include "config/options.h"
#include "config/problems.h"

static void report_argument(const char *option, const char *text, const char *why,
                            config_error_fn *on_error, void *arg) {
    char shown[PROBLEMS_SHOWN_MAX], sentence[2 * PROBLEMS_SHOWN_MAX + 128];

    snprintf(sentence, sizeof sentence, "%s: %s: %s", option, problems_show(text, shown), why);
    on_error(arg, sentence);
}

/* One listener "web" and one upstream "app" with one server "a"; false without memory. */
static bool fill_config(struct config *config, const char *listen,
                        const struct addr_spec *listen_spec, const char *proxy,
                        const struct addr_spec *proxy_spec) {
    struct listener_config *listener = calloc(1, sizeof *listener);
    struct upstream_config *upstream = calloc(1, sizeof *upstream);
    struct server_config *server = calloc(1, sizeof *server);

    if (!listener || !upstream || !server) {
        free(listener);
        free(upstream);
        free(server);
        return false;
    }
    config->from_arguments = true;
    config->listeners = listener;
    config->n_listeners = 1;
    config->upstreams = upstream;
    config->n_upstreams = 1;
    upstream->servers = server;
    upstream->n_servers = 1;
    if (!config_set_defaults(SECTION_GLOBAL, &config->global) ||
        !config_set_defaults(SECTION_LISTENER, listener) ||
        !config_set_defaults(SECTION_LISTENER_TLS, &listener->tls) ||
        !config_set_defaults(SECTION_UPSTREAM, upstream) ||
        !config_set_defaults(SECTION_UPSTREAM_TLS, &upstream->tls) ||
        !config_set_defaults(SECTION_SERVER, server) ||
        !config_set_defaults(SECTION_HEALTH_CHECK, &upstream->health_check) ||
        !config_inherit(config, NULL, listener, &listener->own) ||
        config_set_text(&option_infos[OPT_global_keeper], "off", &config->global) != NULL ||
        config_set_text(&option_infos[OPT_global_control], "off", &config->global) != NULL)
        return false; /* the keeper and the control socket are the service's */
    strcpy(listener->name, "web");
    strcpy(upstream->name, "app");
    strcpy(server->name, "a");
    listener->mode = MODE_HTTP;
    config_find_soonest_timeout(listener);
    server->address = *proxy_spec;
    server->address_text = strdup(proxy);
    return server->address_text &&
           config_add_address(&listener->address, &listener->n_address, listen, false, listen_spec);
}

struct config *config_from_arguments(const char *listen, const char *proxy,
                                     config_error_fn *on_error, void *arg) {
    struct addr_spec listen_spec, proxy_spec;
    struct config *config;
    const char *why;
    bool good = true;

    if (!listen)
        listen = CONFIG_DEFAULT_LISTEN;
    if (!config_parse_listen(listen, &listen_spec, &why)) {
        report_argument("--listen", listen, why, on_error, arg);
        good = false;
    }
    if (!config_parse_server(proxy, &proxy_spec, &why)) {
        report_argument("--proxy", proxy, why, on_error, arg);
        good = false;
    }
    if (!good)
        return NULL;
    config = config_new("command line");
    if (config && places_add(&config->places, config->path, 0) &&
        fill_config(config, listen, &listen_spec, proxy, &proxy_spec)) {
        config_take_fingerprint(config);
        return config;
    }
    config_unref(config);
    on_error(arg, "out of memory while the arguments were read");
    return NULL;
}
