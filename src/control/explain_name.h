/* What becomes of a client that asks for a name, in TLS (SNI) or in its requests (Host). */
#ifndef CONTROL_EXPLAIN_NAME_H
#define CONTROL_EXPLAIN_NAME_H

#include <jansson.h>

#include "road/generation.h"

/* Adds "certificates", those that it is offered (null: it asks for none, ""; or TLS does not end
 * here), and "covered", whether they are for the name (null likewise). Any thread. */
void explain_name_add(json_t **json, const struct listener_config *config, const char *name);

/* The route that it takes: in mode http, with a request for "/". NULL: none. Any thread. */
const struct route_config *explain_name_route(const struct listener_config *config,
                                              const char *name);

/* Adds "redirect", where its requests for "/" are sent on this route (null: nowhere), and "paths",
 * the routes that take those for other paths (null: in mode tcp). Any thread. */
void explain_name_requests(json_t **json, const struct route *route, const char *name);

/* What this listener, which has routes or a tls section, does with it, whoever the client is. NULL:
 * no memory. Any thread. */
json_t *explain_name_at(const struct route *trunk, const char *name);

#endif
