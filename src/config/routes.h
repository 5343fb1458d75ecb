/* The route sections of a listener: by what a client asks for, which upstream it goes to. Pure; any
 * thread. Those of mode http are found by config/route_index.h. */
#ifndef CONFIG_ROUTES_H
#define CONFIG_ROUTES_H

#include "base/host_name.h"
#include "config/config.h"
#include "wire/client_hello.h"

/* Reads a pattern of a listener in mode http, or tcp. NULL; or, in a clause, why it is none. Only
 * good ones are written. One by what TLS asks for is good in both, for config_validate_routes. */
const char *route_read(const char *text, bool http, struct route_config *ret);

/* The same of one by host and path alone (routes_http.c). */
const char *route_read_http(const char *text, struct route_config *ret);

/* Of a route of kind ROUTE_HTTP; ret has ROUTE_PATTERN_SIZE bytes and is returned: "" is any host,
 * "NAME", "*.NAME" or an IP address. */
const char *route_host(const struct route_config *route, char *ret);

/* A path as patterns have it: what may as well stand for itself is not encoded, other %XX have
 * capitals (RFC 3986, 6.2.2). Writes at most n bytes, and returns how many. */
size_t route_normal_path(const char *path, size_t n, char *ret);

/* Writes a host of a request as patterns have it: in small letters, an IPv6 address in its shortest
 * form in "[]". Returns its length; 0: no pattern is like it. */
size_t route_normal_host(const char *host, size_t n, char ret[HOST_NAME_SIZE]);

/* The route for a client that asks for this (hello NULL: it speaks no TLS): the first whose
 * protocol it offers (where the listener's tls has alpn: whose protocol will be agreed on), else
 * that of its name, else the wildcard that covers it. NULL: none. */
const struct route_config *route_choose(const struct listener_config *listener,
                                        const struct client_hello *hello);

/* The same by a name alone ("": none). */
const struct route_config *route_choose_name(const struct listener_config *listener,
                                             const char *name);

/* Of a route of kind ROUTE_SNI: "NAME" or "*.NAME". */
const char *route_name(const struct route_config *route);

/* Of a route of kind ROUTE_ALPN. */
const char *route_protocol(const struct route_config *route);

/* NULL: no route of the listener has this pattern. */
const struct route_config *route_find(const struct listener_config *listener, const char *pattern);

#endif
