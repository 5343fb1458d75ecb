#include "config/routes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SNI      "sni:"
#define WILDCARD "*."
#define ALPN     "alpn:"

const char *route_name(const struct route_config *route) {
    return route->pattern + strlen(SNI);
}

const char *route_protocol(const struct route_config *route) {
    return route->pattern + strlen(ALPN);
}

static const char *read_route_name(const char *text, struct route_config *ret) {
    bool wildcard = strncmp(text, WILDCARD, strlen(WILDCARD)) == 0;
    const char *name = text + (wildcard ? strlen(WILDCARD) : 0);
    char read[HOST_NAME_SIZE];

    if (strchr(name, '*') != NULL)
        return "a \"*.\" may stand at the beginning of a name alone, for one label";
    switch (host_name_read(name, strlen(name), read)) {
    case HOST_NAME_GOOD:
        break;
    case HOST_NAME_IP:
        return "clients never ask for an IP address by SNI; those without a name go to the "
               "listener's upstream";
    case HOST_NAME_BAD:
    default:
        return "a name is at most 255 letters, digits, \"-\", \"_\" and single \".\", 63 between "
               "dots; others are written in their xn-- form";
    }
    snprintf(ret->pattern, sizeof ret->pattern, SNI "%s%s", wildcard ? WILDCARD : "", read);
    ret->kind = ROUTE_SNI;
    return NULL;
}

static const char *read_route_protocol(const char *text, struct route_config *ret) {
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++)
        if (!isgraph((unsigned char)text[i]))
            n = 0;
    if (n == 0 || n > 255)
        return "a protocol is 1 to 255 visible characters, as in \"alpn:h2\"";
    snprintf(ret->pattern, sizeof ret->pattern, ALPN "%s", text);
    ret->kind = ROUTE_ALPN;
    return NULL;
}

const char *route_read(const char *text, bool http, struct route_config *ret) {
    if (strncmp(text, SNI, strlen(SNI)) == 0)
        return read_route_name(text + strlen(SNI), ret);
    if (strncmp(text, ALPN, strlen(ALPN)) == 0)
        return read_route_protocol(text + strlen(ALPN), ret);
    if (http)
        return route_read_http(text, ret);
    return "must be \"sni:NAME\", \"sni:*.NAME\" or \"alpn:PROTOCOL\"; a host and a path, as in "
           "www.example.com/app/, are for mode = http";
}

const struct route_config *route_find(const struct listener_config *listener, const char *pattern) {
    for (size_t i = 0; i < listener->n_routes; i++)
        if (strcmp(listener->routes[i].pattern, pattern) == 0)
            return &listener->routes[i];
    return NULL;
}

const struct route_config *route_choose_name(const struct listener_config *listener,
                                             const char *name) {
    const struct route_config *route;
    const char *rest = strchr(name, '.');
    char pattern[ROUTE_PATTERN_SIZE];

    if (name[0] == '\0')
        return NULL;
    snprintf(pattern, sizeof pattern, SNI "%s", name);
    route = route_find(listener, pattern);
    if (route || !rest)
        return route;
    snprintf(pattern, sizeof pattern, SNI "*%s", rest);
    return route_find(listener, pattern);
}

/* Where TLS ends here with protocols of its own: the one that both sides will speak. NULL: none. */
static const char *agreed_protocol(const struct listener_config *listener,
                                   const struct client_hello *hello) {
    for (size_t i = 0; i < listener->tls.alpn.n; i++)
        if (client_hello_offers(hello, listener->tls.alpn.texts[i]))
            return listener->tls.alpn.texts[i];
    return NULL;
}

const struct route_config *route_choose(const struct listener_config *listener,
                                        const struct client_hello *hello) {
    if (!hello)
        return NULL;
    const char *agreed = agreed_protocol(listener, hello);
    for (size_t i = 0; i < listener->n_routes; i++) {
        const struct route_config *route = &listener->routes[i];

        if (route->kind != ROUTE_ALPN)
            continue;
        if (listener->tls.alpn.n == 0 ? client_hello_offers(hello, route_protocol(route))
                                      : agreed && strcmp(agreed, route_protocol(route)) == 0)
            return route;
    }
    return route_choose_name(listener, hello->name);
}
