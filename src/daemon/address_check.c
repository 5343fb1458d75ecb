#include "daemon/address_check.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/route.h"
#include "base/scope.h"
#include "base/thread.h"
#include "listen/listen_wishes.h"

#define PATIENCE (2 * USEC_PER_SEC)

struct address_check {
    struct config *config;
    config_warning_fn *on_warning;
    void *arg;
    struct listen_wish *wishes;
    size_t n;
};

/* The thread's, until it has ended. */
static struct {
    struct thread thread;
    struct config *config;
    struct listen_names names;
    bool found;
    char *what;
} lookup;

static void look_names_up(void *arg) {
    (void)arg;
    lookup.found = listen_names_find(&lookup.names, lookup.config, &lookup.what);
}

static void warn_of_wish(const struct address_check *check, const struct listen_wish *wish,
                         const char *why) {
    char text[ADDR_TEXT_MAX], means[ADDR_TEXT_MAX + 8] = "";

    if (wish->address->spec.form == ADDR_NAME)
        snprintf(means, sizeof(means), " (%s)", addr_format(&wish->addr, text, sizeof(text)));
    config_warn_of(check->config, wish->listener->line, check->on_warning, check->arg,
                   "address %s%s: %s", wish->address->text, means, why);
}

static int line_of_address(const struct config *config, const struct listen_address *address) {
    for (size_t i = 0; i < config->n_listeners; i++)
        for (size_t k = 0; k < config->listeners[i].n_address; k++)
            if (&config->listeners[i].address[k] == address)
                return config->listeners[i].line;
    return config->status.line;
}

/* False: not all have addresses, which was told. */
static bool find_names(const struct address_check *check) {
    const struct config *config = check->config;

    lookup.config = check->config;
    if (thread_start(&lookup.thread, "names", NULL, look_names_up, NULL) < 0)
        return false;
    if (!thread_join_until(&lookup.thread, clock_now() + PATIENCE)) {
        const struct listen_address *asked = atomic_load(&lookup.names.asked);

        thread_abandon(&lookup.thread);
        if (asked != NULL)
            config_warn_of(config, line_of_address(config, asked), check->on_warning, check->arg,
                           "address %s: nobody could say within %d s which address that is; relayd "
                           "does not start before it knows",
                           asked->text, (int)(PATIENCE / USEC_PER_SEC));
        return false;
    }
    if (!lookup.found && lookup.names.n > 0 && lookup.what != NULL) {
        const struct listen_address *last = lookup.names.list[lookup.names.n - 1].address;

        lookup.what[strlen(lookup.what) - 1] = '\0'; /* the full stop */
        config_warn_of(config, line_of_address(config, last), check->on_warning, check->arg,
                       "relayd would not start: %s", lookup.what);
    }
    free(lookup.what);
    return lookup.found;
}

/* Each by itself */

static void check_alone(const struct address_check *check, const struct listen_wish *wish) {
    if (wish->systemd || wish->any || wish->listener->ip_freebind || addr_is_unix(&wish->addr) ||
        scope_name(&wish->addr) != NULL || route_has_address(&wish->addr))
        return;
    warn_of_wish(check, wish,
                 "this machine has no such address now; relayd does not start before it is there: "
                 "if it comes later, set ip_freebind = true");
}

/* Two together */

/* What is written so has been compared as it is written. */
static bool is_found_out(const struct listen_address *one, const struct listen_address *other) {
    return one->spec.form == ADDR_NAME || other->spec.form == ADDR_NAME ||
           addr_is_unix(&one->spec.addr);
}

/* Follows the folder's symbolic links and "..". False: it is not there. */
static bool real_path(const struct addr *addr, char real[PATH_MAX + NAME_MAX]) {
    const char *path = addr->u.un.sun_path, *name = strrchr(path, '/');
    char folder[sizeof(addr->u.un.sun_path) + 1], found[PATH_MAX];

    snprintf(folder, sizeof(folder), "%.*s/", (int)(name - path), path);
    if (realpath(folder, found) == NULL)
        return false;
    snprintf(real, PATH_MAX + NAME_MAX, "%s%s", found, name);
    return true;
}

static bool is_same_path(const struct addr *a, const struct addr *b) {
    char one[PATH_MAX + NAME_MAX], other[PATH_MAX + NAME_MAX];

    return addr_is_unix(a) && addr_is_unix(b) && !addr_equal(a, b) && real_path(a, one) &&
           real_path(b, other) && strcmp(one, other) == 0;
}

static void check_pair(const struct address_check *check, const struct listen_wish *wish,
                       const struct listen_address *other, const struct addr *addr, bool only,
                       const char *whose) {
    char why[ADDR_TEXT_MAX + CONFIG_NAME_MAX + 128];

    if (!is_found_out(wish->address, other) ||
        !(is_same_path(&wish->addr, addr) || addr_overlaps(&wish->addr, wish->v6only, addr, only)))
        return;
    snprintf(why, sizeof(why), "it overlaps with %s of %s: relayd cannot listen on both",
             other->text, whose);
    warn_of_wish(check, wish, why);
}

static void check_pairs(const struct address_check *check, size_t i) {
    const struct listen_wish *wish = &check->wishes[i];
    const struct status_config *status = &check->config->status;
    char whose[CONFIG_NAME_MAX + 16];

    for (size_t k = 0; k < i && !wish->systemd; k++) {
        const struct listen_wish *other = &check->wishes[k];

        snprintf(whose, sizeof(whose), "listener %s", other->listener->name);
        if (!other->systemd && other->address != wish->address)
            check_pair(check, wish, other->address, &other->addr, other->v6only, whose);
    }
    for (size_t k = 0; k < status->n_places && !wish->systemd; k++)
        check_pair(check, wish, status->places[k].address, &status->places[k].addr, false,
                   "the status section");
}

/* Loops */

/* A listener of every address takes connections to this machine's own; loopback has been found
 * before (config/validate_loops.c). */
static bool takes_server(const struct listen_wish *wish, const struct addr *to) {
    return !wish->systemd && !addr_is_unix(&wish->addr) && addr_is_any(&wish->addr) &&
           !addr_equal(&wish->addr, to) && addr_overlaps(&wish->addr, wish->v6only, to, true);
}

static void check_server(const struct address_check *check, size_t upstream,
                         const struct server_config *server) {
    const struct addr to = addr_unmapped(&server->address.addr);

    if (server->address.form != ADDR_LITERAL || addr_is_unix(&to))
        return;
    for (size_t i = 0; i < check->n; i++) {
        const struct listen_wish *wish = &check->wishes[i];

        if (takes_server(wish, &to) && listener_leads_to(wish->listener, upstream) &&
            route_has_address(&to)) {
            config_warn_of(check->config, server->line, check->on_warning, check->arg,
                           "server %s is listener %s of this relayd itself, since this machine has "
                           "its address: its connections would come back for ever",
                           server->name, wish->listener->name);
            return;
        }
    }
}

void address_check(struct config *config, config_warning_fn *on_warning, void *arg) {
    struct address_check check = {.config = config, .on_warning = on_warning, .arg = arg};

    if (!find_names(&check) || listen_wishes(config, &lookup.names, &check.wishes, &check.n) < 0)
        return;
    for (size_t i = 0; i < check.n; i++)
        check_alone(&check, &check.wishes[i]);
    for (size_t i = 0; i < check.n; i++)
        check_pairs(&check, i);
    for (size_t i = 0; i < config->n_upstreams; i++)
        for (size_t k = 0; k < config->upstreams[i].n_servers; k++)
            check_server(&check, i, &config->upstreams[i].servers[k]);
    free(check.wishes);
    listen_names_free(&lookup.names);
}
