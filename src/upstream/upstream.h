/* Where connections go: an upstream is a named group of servers, a server one place to dial.
 *
 * In this version a group has one server. upstream_pick is the seam where balancing comes in; dial
 * asks it again after each server that failed. */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include <stddef.h>

#include "base/clock.h"
#include "config/config.h"
#include "upstream/resolver.h"

struct server {
    const struct server_config *config;
    struct resolver *resolver;
    struct resolver_name *name; /* NULL: the address is a literal */
    struct addr_list *literal;  /* NULL: it is a name */
    _Atomic size_t
        first; /* where in the list of addresses dialling starts: at the last that answered */
};

struct upstream {
    const struct upstream_config *config;
    struct server *servers;
    size_t n_servers;
};

/* All upstreams of one configuration. Immutable after creation but for what the resolver learns. */
struct upstreams {
    struct config *config; /* a reference */
    struct resolver *resolver;
    struct upstream *list; /* in the order of config->upstreams */
    size_t n;
};

/* Makes them, names not yet looked up; those that the former ones (or NULL) have addresses for go on with these until
 * then. Takes a reference to config. NULL: no memory. */
struct upstreams *upstreams_new(struct config *config, const struct upstreams *former);

/* Starts looking up names: 0 or -errno. */
int upstreams_start(struct upstreams *upstreams) MUST_USE;

/* Sends away whoever waits for a name; see resolver_cancel. */
void upstreams_cancel(struct upstreams *upstreams);

/* Ends the lookups, and waits for the one that is under way until the deadline. False: it still is; try again before
 * upstreams_free. */
bool upstreams_stop(struct upstreams *upstreams, usec_t deadline) MUST_USE;

/* Ends the lookups and frees all. If libc's resolver does not return within 2 s, all is left as it
 * is, for the end of the process. No thread may use them any more. NULL is fine. */
void upstreams_free(struct upstreams *upstreams);

/* The server to try as attempt number `tried` (0 first) of one connection; NULL: there is no
 * further. */
struct server *upstream_pick(struct upstream *upstream, size_t tried);

/* The server's addresses, with a reference; see resolver_get. */
enum resolver_outcome server_addresses(struct server *server, usec_t deadline,
                                       struct addr_list **ret_list) MUST_USE;

#endif
