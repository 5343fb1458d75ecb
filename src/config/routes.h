/* The route sections of a listener: by what a client asks for, which upstream it goes to. Pure; any
 * thread. */
#ifndef CONFIG_ROUTES_H
#define CONFIG_ROUTES_H

#include "config/config.h"
#include "wire/client_hello.h"

/* Reads a pattern. NULL; or, in a clause, why it is none. Only good ones are written. */
const char *route_read(const char *text, struct route_config *ret);

/* The route for a client that asks for this (hello NULL: it speaks no TLS): the first whose
 * protocol it offers, else that of its name, else the wildcard that covers it. NULL: none. */
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
