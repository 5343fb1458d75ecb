#include "config/redirect_ring.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config/redirect.h"
#include "config/route_index.h"
#include "config/routes.h"

/* A host that no pattern has (RFC 6761, 6.4): of whoever comes by no name of a pattern. */
#define ANY_HOST  "relayd.invalid"
#define PATH_MOST (REDIRECT_MOST + ROUTE_PATTERN_SIZE)

/* A URL that a client is sent to. */
struct goal {
    char host[HOST_NAME_SIZE];
    size_t n_host;
    const char *path; /* in the option */
};

/* A host of those that the pattern has. False: it is too long. */
static bool take_own_host(const struct route_config *route, struct goal *ret) {
    char host[ROUTE_PATTERN_SIZE];
    const char *any = route_host(route, host)[0] == '*' ? "relayd" : "";
    int n = snprintf(ret->host, sizeof(ret->host), "%s%s", any,
                     host[0] == '\0' ? ANY_HOST : host + (any[0] != '\0'));

    ret->n_host = (size_t)n;
    return ret->n_host < sizeof(ret->host);
}

/* False: it leads elsewhere, or perhaps so: to another scheme or port, or to a host of which no
 * pattern tells that it is served here. */
static bool read_goal(const struct listener_config *listener, const struct route_config *route,
                      struct goal *ret) {
    const char *scheme = listener->tls.given ? "https://" : "http://", *host;
    size_t n;

    ret->path = route->redirect;
    if (route->redirect[0] == '/')
        return take_own_host(route, ret);
    if (strncasecmp(route->redirect, scheme, strlen(scheme)) != 0 || route->n_host == 0)
        return false;
    host = route->redirect + strlen(scheme);
    n = strcspn(host, "/?#");
    ret->path = host + n;
    ret->n_host = memchr(host, ':', n) == NULL ? route_normal_host(host, n, ret->host) : 0;
    return ret->n_host > 0;
}

/* The path that a client comes with which was at the pattern's own. Returns its length. */
static size_t make_path(const struct route_config *route, const struct goal *goal,
                        char ret[PATH_MOST]) {
    const char *kept = route->pattern + route->n_host, *end = route->redirect + route->target.n;
    char path[PATH_MOST];
    size_t n = strcspn(goal->path, "?#");

    if (route->strip_prefix || *kept == '\0')
        kept = "/";
    if (route->target.form == REDIRECT_WHOLE)
        snprintf(path, sizeof(path), "%.*s", (int)n, n > 0 ? goal->path : "/");
    else
        snprintf(path, sizeof(path), "%.*s%s", (int)(end > goal->path ? end - goal->path : 0),
                 goal->path, kept);
    return route_normal_path(path, strlen(path), ret);
}

static bool comes_back(const struct listener_config *listener, const struct route_config *route) {
    const struct route_config *next = NULL;
    char path[PATH_MOST];
    struct goal goal;

    if (route->target.form == REDIRECT_NONE || route->target.form == REDIRECT_SCHEME ||
        !read_goal(listener, route, &goal))
        return false;
    if (listener->index != NULL)
        next = route_index_find(listener->index, goal.host, goal.n_host, path,
                                make_path(route, &goal, path));
    return next == (route == &listener->own ? NULL : route);
}

void redirect_ring_warn(const struct config *config, config_warning_fn *on_warning, void *arg) {
    for (size_t i = 0; i < config->n_listeners; i++) {
        const struct listener_config *listener = &config->listeners[i];

        if (listener->mode != MODE_HTTP)
            continue;
        if (comes_back(listener, &listener->own))
            config_warn_of(config, listener->line, on_warning, arg,
                           "listener %s: redirect = %s leads its clients back here for ever",
                           listener->name, listener->own.redirect);
        for (size_t k = 0; k < listener->n_routes; k++)
            if (comes_back(listener, &listener->routes[k]))
                config_warn_of(config, listener->routes[k].line, on_warning, arg,
                               "listener %s: route %s: redirect = %s leads its clients back to "
                               "this route for ever",
                               listener->name, listener->routes[k].pattern,
                               listener->routes[k].redirect);
    }
}
