/* One configuration in force: its upstreams, and a route for each listener. After a reload it stays
 * until all that was accepted under it is established. */
#ifndef ROAD_GENERATION_H
#define ROAD_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "conn/conn.h"
#include "conn/line.h"
#include "listen/limit_list.h"
#include "road/route_count.h"
#include "upstream/upstreams.h"

struct generation;
struct job;

/* Where a listener's connections go, and how. A listener has one of its own, and a branch of that
 * for each of its route sections (config/routes.h), which branch_choose takes. */
struct route {
    struct generation *generation;
    const struct listener_config *config;
    const struct route_config *section; /* of a branch; NULL: the listener's own */
    struct route *trunk;                /* the listener's own */
    struct route *branches;             /* of that, in the order of config->routes */
    struct upstream *upstream;          /* NULL: it only leads to branches */
    struct conn_options options;
    struct limit *limit;        /* the generation's reference */
    struct route_count *count;  /* of a branch in mode http: a reference; or NULL */
    struct line *line;          /* the upstream's, or NULL; likewise */
    struct route *_Atomic next; /* of a trunk, in the next generation; NULL: none (yet) */
};

struct generation {
    SLIST_ENTRY(generation) entry; /* once retired */
    _Atomic size_t refs;           /* held routes, and others who hold it */
    struct config *config;         /* a reference */
    struct upstreams *upstreams;
    struct route *routes;   /* in the order of config->listeners */
    struct route *branches; /* of all of them */
    size_t n_branches;
    struct limit **limits; /* the same; references */
    struct line **lines;   /* in the order of config->upstreams; references */
};

/* Takes over the upstreams, on success. Lines (by upstream) go on from the former one (or NULL),
 * limits from the list. NULL: no memory. */
struct generation *generation_new(struct config *config, struct upstreams *upstreams,
                                  const struct generation *former, const struct limit_list *limits);

/* Puts it in force instead of the former one (or NULL), with its limits, lookups and checks. */
void generation_begin(struct generation *generation, struct generation *former,
                      struct limit_list *limits);

/* Its clients are openings first. */
bool route_opens(const struct route *route);

/* Counts routes that open. */
size_t generation_count_opening(const struct generation *generation);

/* While it is held it stays. Any thread. */
void generation_ref(struct generation *generation);
void generation_unref(struct generation *generation);

/* Whoever has a route holds a reference. Any thread. */
struct route *route_ref(struct route *route);
void route_unref(struct route *route);

/* The listener's own route in the newest generation that has the listener. */
struct route *route_newest(struct route *route);

/* No route is held. It can be freed if that is true of all before it, and none can be got. */
bool generation_unused(const struct generation *generation);

/* With its upstreams. NULL is fine. */
void generation_free(struct generation *generation);

/* NULL: no upstream has this name. */
struct line *generation_line(const struct generation *generation, const char *upstream);

#endif
