#include "config/overlaps.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>

/* Which one takes every address of a port, by family and port. */
struct takers {
    const struct listen_address *of[2][UINT16_MAX + 1];
};

struct overlaps {
    const struct config *config;
    config_warning_fn *on_warning;
    void *arg;
    struct takers *takers;
};

static void warn_of_overlap(const struct overlaps *overlaps, const struct listener_config *listener,
                            const struct listen_address *address,
                            const struct listen_address *taker) {
    config_warn_of(overlaps->config, listener->line, overlaps->on_warning, overlaps->arg,
                   "address %s overlaps with %s, which takes every address of its port: relayd "
                   "cannot listen on both",
                   address->text, taker->text);
}

/* Notes one that takes every address. Others overlap with it, which may be noted later: they are
 * looked at twice. */
static void look_at_address(const struct overlaps *overlaps, const struct listener_config *listener,
                            const struct listen_address *address, bool warns) {
    const struct addr addr = addr_unmapped(&address->spec.addr);
    bool any = address->spec.form == ADDR_ANY;

    if (address->systemd || address->spec.form == ADDR_NAME || addr_is_unix(&addr))
        return;
    bool in6 = any || addr.u.sa.sa_family == AF_INET6;
    const struct listen_address **taker = &overlaps->takers->of[in6][address->spec.port];
    if (any || addr_is_any(&addr))
        *taker = address;
    else if (warns && *taker != NULL)
        warn_of_overlap(overlaps, listener, address, *taker);
}

static void look_at_listeners(const struct overlaps *overlaps, bool warns) {
    for (size_t i = 0; i < overlaps->config->n_listeners; i++) {
        const struct listener_config *listener = &overlaps->config->listeners[i];

        for (size_t j = 0; j < listener->n_address; j++)
            look_at_address(overlaps, listener, &listener->address[j], warns);
    }
}

/* Sockets of the status section take IPv4 with IPv6, and no listener makes way for them. That both
 * have the same address is an error (validate.c). */
static void look_at_status(const struct overlaps *overlaps, const struct listen_address *status,
                           const struct listener_config *listener) {
    for (size_t i = 0; i < listener->n_address; i++) {
        const struct listen_address *address = &listener->address[i];

        if (address->systemd || address->spec.form == ADDR_NAME || status->spec.form == ADDR_NAME)
            continue;
        const struct addr one = addr_to_bind(&status->spec), other = addr_to_bind(&address->spec);
        if (addr_overlaps(&one, false, &other, false))
            config_warn_of(overlaps->config, overlaps->config->status.line, overlaps->on_warning,
                           overlaps->arg,
                           "status: address %s overlaps with %s of listener %s: relayd cannot "
                           "listen on both",
                           status->text, address->text, listener->name);
    }
}

/* The kernel binds no socket to an address that overlaps (bind(2)). One of [::] leaves IPv4 to
 * others if any of that is asked for, so each family is by itself. */
void overlaps_warn(const struct config *config, config_warning_fn *on_warning, void *arg) {
    const struct overlaps overlaps = {.config = config,
                                      .on_warning = on_warning,
                                      .arg = arg,
                                      .takers = calloc(1, sizeof(struct takers))};

    if (overlaps.takers == NULL)
        return;
    look_at_listeners(&overlaps, false);
    look_at_listeners(&overlaps, true);
    for (size_t i = 0; i < config->status.n_address; i++)
        for (size_t k = 0; k < config->n_listeners; k++)
            look_at_status(&overlaps, &config->status.address[i], &config->listeners[k]);
    free(overlaps.takers);
}
