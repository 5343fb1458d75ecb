#include "config/config.h"
#include "config/options.h"

static const char *format_option(enum option_id id, const void *base, char buf[OPTIONS_TEXT_MAX]) {
    return options_format(&option_infos[id], base, buf, OPTIONS_TEXT_MAX);
}

static void summarize_listener(const struct config *config, const struct listener_config *listener,
                               FILE *out) {
    char mode[OPTIONS_TEXT_MAX];

    fprintf(out, "listener %s: ", listener->name);
    for (size_t i = 0; i < listener->n_address; i++)
        fprintf(out, "%s%s", i > 0 ? ", " : "", listener->address[i].text);
    fprintf(out, "; mode %s; ", format_option(OPT_listener_mode, listener, mode));
    if (listener->upstream == NO_UPSTREAM)
        fputs("no upstream without a route\n", out);
    else
        fprintf(out, "upstream %s\n", config->upstreams[listener->upstream].name);
    for (size_t i = 0; i < listener->n_routes; i++)
        fprintf(out, "    route %s: upstream %s\n", listener->routes[i].pattern,
                config->upstreams[listener->routes[i].upstream].name);
}

static void summarize_upstream(const struct upstream_config *upstream, FILE *out) {
    const struct health_check_config *check = &upstream->health_check;
    char balance[OPTIONS_TEXT_MAX], type[OPTIONS_TEXT_MAX], interval[OPTIONS_TEXT_MAX];

    fprintf(out, "upstream %s: %s; %zu %s; ", upstream->name,
            format_option(OPT_upstream_balance, upstream, balance), upstream->n_servers,
            upstream->n_servers == 1 ? "server" : "servers");
    if (check->given)
        fprintf(out, "health check %s every %s\n",
                format_option(OPT_health_check_type, check, type),
                format_option(OPT_health_check_interval, check, interval));
    else
        fputs("no health checks\n", out);
    for (size_t i = 0; i < upstream->n_servers; i++) {
        const struct server_config *server = &upstream->servers[i];
        char weight[OPTIONS_TEXT_MAX];

        fprintf(out, "    server %s: %s; weight %s%s\n", server->name, server->address_text,
                format_option(OPT_server_weight, server, weight), server->backup ? "; backup" : "");
    }
}

void config_summarize(const struct config *config, FILE *out) {
    for (size_t i = 0; i < config->n_listeners; i++)
        summarize_listener(config, &config->listeners[i], out);
    for (size_t i = 0; i < config->n_upstreams; i++)
        summarize_upstream(&config->upstreams[i], out);
}
