/* The routes of a listener in mode http, sorted so that that of a request is found in a few steps,
 * whatever their number. Immutable; any thread.
 *
 * prefix_note: of a host, the routes are sorted by path. Whatever lies between a prefix of a path
 * and the path begins with that prefix, too. So the last one that is not behind the path is the one
 * asked for, or below it in the tree of prefixes, and `parent` leads up. */
#ifndef CONFIG_ROUTE_INDEX_H
#define CONFIG_ROUTE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct route_config;

#define ROUTE_NONE UINT32_MAX

struct route_entry {
    const struct route_config *route;
    const char *path; /* in its pattern: "", or with "/" at both ends */
    uint16_t n_path;
    uint32_t parent; /* of the same host, the longest path that this one begins with; ROUTE_NONE */
};

/* Those of one host: entries[first] and so on. */
struct route_host {
    const char *name; /* in a pattern; of "*.NAME" the NAME */
    uint16_t n_name;
    uint32_t first, n;
};

struct route_index {
    struct route_entry *entries;
    struct route_host *hosts; /* sorted: n_exact, then n_suffix, then any host, if n_any */
    size_t n_exact, n_suffix, n_any;
    bool paths; /* a route has a path */
};

/* Of routes with good patterns, which must stay where they are. NULL: no memory. */
struct route_index *route_index_new(const struct route_config *routes, size_t n);
void route_index_free(struct route_index *index); /* NULL is fine */

/* The route of a host and a path that are normal (config/routes.h). NULL: none. n_path 0: a request
 * without a path, "*". */
const struct route_config *route_index_find(const struct route_index *index, const char *host,
                                            size_t n_host, const char *path, size_t n_path);

#endif
