/* What upstreams ask of mode http: each request balanced anew, and cookies. */
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "config/build.h"

#define MACHINE_ID "/etc/machine-id" /* machine-id(5) */

struct validation {
    const struct tree *tree;
    size_t section; /* the upstream's */
    struct upstream_config *upstream;
    struct problems *problems;
};

static bool has_cookies(const struct upstream_config *upstream) {
    char balance[OPTIONS_TEXT_MAX];

    return strcmp(options_format(&option_infos[OPT_upstream_balance], upstream, balance,
                                 sizeof(balance)),
                  "cookie") == 0;
}

static bool asks_for_requests(const struct upstream_config *upstream) {
    return upstream->balance_each == BALANCE_EACH_REQUEST || has_cookies(upstream);
}

static void mark_route(const struct config *config, struct route_config *route) {
    const struct upstream_config *upstream =
        route->upstream != NO_UPSTREAM ? &config->upstreams[route->upstream] : NULL;

    if (upstream == NULL || !asks_for_requests(upstream))
        return;
    route->each_request = true;
    route->cookie = has_cookies(upstream) ? upstream->cookie : NULL;
}

static void mark_listener(const struct config *config, struct listener_config *listener) {
    if (listener->mode != MODE_HTTP)
        return;
    mark_route(config, &listener->own);
    for (size_t i = 0; i < listener->n_routes; i++)
        mark_route(config, &listener->routes[i]);
}

/* Nobody who leads to it looks into requests. One that nobody leads to is warned of. */
static bool has_bytes_alone(const struct config *config, const struct upstream_config *upstream) {
    size_t index = (size_t)(upstream - config->upstreams);

    for (size_t i = 0; !upstream->serves_http && i < config->n_listeners; i++)
        if (listener_leads_to(&config->listeners[i], index))
            return true;
    return false;
}

static void add_problem(const struct validation *validation, enum option_id option,
                        const char *what) {
    const struct tree_section *at = &validation->tree->sections[validation->section];
    char where[TREE_WHERE_MAX];

    problems_add(validation->problems, at->given[option] != 0 ? at->given[option] : at->line,
                 "%s%s", tree_where(validation->tree, validation->section, where), what);
}

/* The secret of this machine: 32 digits and a line end. False: it has none. */
static bool take_machine(uint8_t ret[COOKIE_SECRET_SIZE]) {
    static const char label[] = "relayd cookies of this machine";
    const char *kind;
    char id[64];
    size_t n = 0;
    bool good = file_read(MACHINE_ID, id, sizeof(id), &n, &kind) == 0 && n >= 32 && n < 64;

    for (size_t i = 0; good && i < 32; i++)
        good = id[i] != '\0' && strchr("0123456789abcdef", id[i]) != NULL;
    if (good)
        hmac_sha256(id, 32, label, strlen(label), ret);
    return good;
}

static void take_secret(const struct validation *validation) {
    static const char label[] = "relayd cookies";
    struct upstream_config *upstream = validation->upstream;

    if (upstream->cookie_key[0] != '\0')
        hmac_sha256(upstream->cookie_key, strlen(upstream->cookie_key), label, strlen(label),
                    upstream->cookie_secret);
    else if (!take_machine(upstream->cookie_secret))
        add_problem(validation, OPT_upstream_balance,
                    "balance = cookie needs cookie_key: this machine has no " MACHINE_ID
                    " that a key could be made of");
}

static void check_balance(const struct validation *validation, const struct config *config) {
    const struct upstream_config *upstream = validation->upstream;
    bool cookies = has_cookies(upstream);

    if (cookies)
        take_secret(validation);
    else if (!options_is_default(&option_infos[OPT_upstream_cookie], upstream))
        add_problem(validation, OPT_upstream_cookie,
                    "cookie has no meaning without balance = cookie");
    if (!cookies && upstream->cookie_key[0] != '\0')
        add_problem(validation, OPT_upstream_cookie_key,
                    "cookie_key has no meaning without balance = cookie");
    if (!asks_for_requests(upstream) || !has_bytes_alone(config, upstream))
        return;
    if (cookies)
        add_problem(validation, OPT_upstream_balance,
                    "balance = cookie has no meaning without a listener of mode http that leads "
                    "here: others see no cookies");
    else
        add_problem(validation, OPT_upstream_balance_each,
                    "balance_each = request has no meaning without a listener of mode http that "
                    "leads here: others see no requests");
}

void config_validate_balance(const struct tree *tree, struct config *config,
                             struct problems *problems) {
    size_t at = 0;

    for (size_t i = 0; i < config->n_upstreams; i++) {
        at = tree_next(tree, at, SECTION_UPSTREAM);
        const struct validation validation = {tree, at, &config->upstreams[i], problems};
        check_balance(&validation, config);
    }
    for (size_t i = 0; i < config->n_listeners; i++)
        mark_listener(config, &config->listeners[i]);
}
