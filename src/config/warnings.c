#include "config/warnings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/overlaps.h"
#include "config/redirect_ring.h"

static void tell_notes(const struct config *config, bool asked, config_warning_fn *on_warning,
                       void *arg) {
    for (size_t i = 0; i < config->n_notes; i++)
        if (config->notes[i].asked == asked)
            config_warn_of(config, config->notes[i].line, on_warning, arg, "%s",
                           config->notes[i].what);
}

void warnings_tell(const struct config *config, config_warning_fn *on_warning, void *arg) {
    for (size_t i = 0; i < config->n_upstreams; i++) {
        const struct upstream_config *upstream = &config->upstreams[i];

        if (upstream->drained)
            config_warn_of(config, upstream->line, on_warning, arg,
                           "upstream %s is drained: all its servers have weight 0, so its clients "
                           "are refused",
                           upstream->name);
    }
    tell_notes(config, false, on_warning, arg);
    overlaps_warn(config, on_warning, arg);
}

static void note_upstreams(const struct listener_config *listener, bool *used) {
    for (size_t i = 0; i <= listener->n_routes; i++)
        if (listener_upstream(listener, i) != NO_UPSTREAM)
            used[listener_upstream(listener, i)] = true;
}

/* systemd makes /var/log/relayd when it starts the service. */
static void tell_missing_folder(const struct config *config, config_warning_fn *on_warning,
                                void *arg) {
    const char *path = config->global.access_log, *end = strrchr(path, '/');
    char folder[PATH_MAX];

    if (end == NULL || end == path || strncmp(path, "/var/log/relayd/", 16) == 0)
        return;
    snprintf(folder, sizeof(folder), "%.*s", (int)(end - path), path);
    if (access(folder, X_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
        config_warn_of(config, config->global.access_log_line, on_warning, arg,
                       "access_log %s: the folder %s is not there, so relayd would not start: make "
                       "it, writable by relayd's user",
                       path, folder);
}

/* A browser believes it over TLS alone (RFC 6797, 8.1). */
static void tell_vain_hsts(const struct config *config, config_warning_fn *on_warning, void *arg) {
    for (size_t i = 0; i < config->n_listeners; i++) {
        const struct listener_config *listener = &config->listeners[i];
        bool given = listener->own.hsts > 0;

        for (size_t k = 0; k < listener->n_routes; k++)
            given |= listener->routes[k].hsts > 0;
        if (given && !listener->tls.given)
            config_warn_of(config, listener->line, on_warning, arg,
                           "listener %s has hsts but no section tls: only responses over TLS get "
                           "the field; where TLS ends in front of relayd, set it there",
                           listener->name);
    }
}

static void tell_empty_access_log(const struct config *config, config_warning_fn *on_warning,
                                  void *arg) {
    for (size_t i = 0; i < config->n_listeners; i++)
        if (config->listeners[i].mode == MODE_HTTP)
            return;
    if (config->global.access_log[0] != '\0')
        config_warn_of(config, config->global.access_log_line, on_warning, arg,
                       "access_log %s stays empty: it has the requests of listeners in mode http, "
                       "and there is none",
                       config->global.access_log);
}

void warnings_tell_asked(const struct config *config, config_warning_fn *on_warning, void *arg) {
    bool *used = calloc(config->n_upstreams + 1, sizeof(*used));

    tell_notes(config, true, on_warning, arg);
    tell_missing_folder(config, on_warning, arg);
    tell_empty_access_log(config, on_warning, arg);
    tell_vain_hsts(config, on_warning, arg);
    redirect_ring_warn(config, on_warning, arg);
    if (used == NULL)
        return;
    for (size_t i = 0; i < config->n_listeners; i++)
        note_upstreams(&config->listeners[i], used);
    for (size_t i = 0; i < config->n_upstreams; i++)
        if (!used[i])
            config_warn_of(config, config->upstreams[i].line, on_warning, arg,
                           "upstream %s is used by no listener", config->upstreams[i].name);
    free(used);
}

/* What strangers do not reach: loopback, private (RFC 1918, RFC 4193), link-local and shared
 * addresses (RFC 6598). */
static bool is_inside(const struct addr *addr) {
    static const struct {
        unsigned char bytes[2], mask[2];
    } ipv4[] = {{{127, 0}, {255, 0}},     {{10, 0}, {255, 0}},      {{172, 16}, {255, 240}},
                {{192, 168}, {255, 255}}, {{169, 254}, {255, 255}}, {{100, 64}, {255, 192}}};
    unsigned char bytes[16];

    if (addr_is_unix(addr) || !addr_ipv6_bytes(addr, bytes))
        return true;
    if (!addr_bytes_are_ipv4(bytes))
        return memcmp(bytes, &in6addr_loopback, sizeof(bytes)) == 0 || (bytes[0] & 0xfe) == 0xfc ||
               (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
    for (size_t i = 0; i < ARRAY_LEN(ipv4); i++)
        if ((bytes[12] & ipv4[i].mask[0]) == ipv4[i].bytes[0] &&
            (bytes[13] & ipv4[i].mask[1]) == ipv4[i].bytes[1])
            return true;
    return false;
}

void warnings_tell_public(const struct config *config, config_warning_fn *on_warning, void *arg) {
    const struct status_config *status = &config->status;

    for (size_t i = 0; i < status->n_address; i++) {
        const struct addr_spec *spec = &status->address[i].spec;

        if (spec->form == ADDR_ANY || (spec->form == ADDR_LITERAL && !is_inside(&spec->addr)))
            config_warn_of(config, status->line, on_warning, arg,
                           "whoever reaches %s may look at the status page%s: write an address of "
                           "this machine alone, as 127.0.0.1:9000, or a private one, or let a "
                           "firewall choose who",
                           status->address[i].text,
                           status->clients ? ", with addresses of clients" : "");
    }
}
