#include "config/config.h"
#include "base/text.h"
#include "config/options.h"
#include "tls/client.h"
#include "tls/server.h"

#define CERTIFICATES_SHOWN 20

static const char *format_option(enum option_id id, const void *base, char buf[OPTIONS_TEXT_MAX]) {
    return options_format(&option_infos[id], base, buf, OPTIONS_TEXT_MAX);
}

static void summarize_route(const struct config *config, const struct route_config *route,
                            FILE *out) {
    if (route->upstream == NO_UPSTREAM)
        fprintf(out, "    route %s: redirect %s\n", route->pattern, route->redirect);
    else
        fprintf(out, "    route %s: upstream %s\n", route->pattern,
                config->upstreams[route->upstream].name);
}

struct certificate_list {
    FILE *out;
    size_t n;
};

/* A tls_facts_fn. */
static void summarize_certificate(void *arg, const struct tls_facts *facts) {
    struct certificate_list *list = arg;
    char names[1024], day[16];

    if (list->n++ < CERTIFICATES_SHOWN)
        fprintf(list->out, "    certificate %s: until %s; %s\n",
                tls_facts_say_names(facts, names, sizeof(names)),
                text_format_day(facts->not_after, day, sizeof(day)), facts->file);
}

static void end_certificates(const struct certificate_list *list) {
    if (list->n > CERTIFICATES_SHOWN)
        fprintf(list->out, "    and %zu certificates more\n", list->n - CERTIFICATES_SHOWN);
}

static const char *say_outlive(bool outlive) {
    return outlive ? "" : "; does not outlive relayd";
}

static void summarize_server_tls(const struct listener_tls_config *tls, FILE *out) {
    char version[OPTIONS_TEXT_MAX], verify[OPTIONS_TEXT_MAX];
    struct certificate_list list = {.out = out};

    if (tls->server == NULL)
        return;
    fprintf(out, "    tls: from version %s; verify_client %s%s%s%s\n",
            format_option(OPT_listener_tls_min_version, tls, version),
            format_option(OPT_listener_tls_verify_client, tls, verify),
            tls->ca[0] != '\0' ? " by " : "", tls->ca, say_outlive(tls->outlive));
    tls_server_visit(tls->server, summarize_certificate, &list);
    end_certificates(&list);
}

static void summarize_client_tls(const struct upstream_tls_config *tls, FILE *out) {
    struct certificate_list list = {.out = out};

    if (tls->client == NULL)
        return;
    const char *name = tls->name[0] != '\0' ? tls->name : "of each server's address";
    const char *outlive = say_outlive(tls->outlive);
    if (tls->verify)
        fprintf(out, "    tls: verified by %s; name %s%s\n",
                tls->ca[0] != '\0' ? tls->ca : "this machine's authorities", name, outlive);
    else
        fprintf(out, "    tls: not verified; name %s%s\n", name, outlive);
    tls_client_visit(tls->client, summarize_certificate, &list);
}

static void summarize_listener(const struct config *config, const struct listener_config *listener,
                               FILE *out) {
    char mode[OPTIONS_TEXT_MAX];

    fprintf(out, "listener %s: ", listener->name);
    for (size_t i = 0; i < listener->n_address; i++)
        fprintf(out, "%s%s", i > 0 ? ", " : "", listener->address[i].text);
    fprintf(out, "; mode %s; ", format_option(OPT_listener_mode, listener, mode));
    if (listener->mode == MODE_HTTP && listener->own.redirect[0] != '\0')
        fprintf(out, "redirect %s\n", listener->own.redirect);
    else if (listener->upstream == NO_UPSTREAM)
        fputs("no upstream without a route\n", out);
    else
        fprintf(out, "upstream %s\n", config->upstreams[listener->upstream].name);
    summarize_server_tls(&listener->tls, out);
    for (size_t i = 0; i < listener->n_routes; i++)
        summarize_route(config, &listener->routes[i], out);
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
    summarize_client_tls(&upstream->tls, out);
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
