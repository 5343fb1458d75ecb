/* One configuration in force, with all that new connections need of it: its upstreams, and a route
 * for each listener.
 *
 * A reload makes a new generation. Acceptors change over to its routes, and the old one stays until
 * the last connection that was accepted under it has been dialled for (established ones need it no
 * more: see struct conn). */
#ifndef ROAD_GENERATION_H
#define ROAD_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "conn/conn.h"
#include "conn/line.h"
#include "listen/limit_list.h"
#include "upstream/upstreams.h"

struct generation;
struct job;

/* Where the connections of one listener go, and how. */
struct route {
    struct generation *generation;
    const struct listener_config *config;
    struct upstream *upstream;
    struct conn_options options;
    struct limit *limit; /* these two: the generation's references */
    struct line *line;   /* the upstream's */
    /* the same listener's in the generation after this; NULL: none (yet). See route_follow */
    struct route *_Atomic next;
};

struct generation {
    SLIST_ENTRY(generation) link; /* the relay's, once it is old */
    _Atomic size_t refs;
    struct config *config; /* a reference */
    struct upstreams *upstreams;
    struct route *routes;  /* these two in the order of config->listeners */
    struct limit **limits; /* references */
    struct line *
        *lines; /* in the order of config->upstreams; references, to that of the same name before */
};

/* Takes a reference to config and, if it succeeds, over the upstreams. former: whose lines go on,
 * or NULL. limits: those that go on being counted. NULL: no memory. */
struct generation *generation_new(struct config *config, struct upstreams *upstreams,
                                  const struct generation *former, const struct limit_list *limits);

/* It is in force now, instead of the former one (or NULL): its limits count, and its upstreams
 * alone are looked up and checked. */
void generation_begin(struct generation *generation, struct generation *former,
                      struct limit_list *limits);

/* Whether its clients have something to send before there is a server to dial: they are openings
 * first. */
bool route_opens(const struct route *route);

/* How many of its listeners have such clients. */
size_t generation_count_opening(const struct generation *generation);

/* Whoever holds a route of it holds a reference. Any thread. */
struct route *route_ref(struct route *route);
void route_unref(struct route *route);

/* Changes the job over to the route that its listener has now: its servers had no room, and there
 * may be others since. False: it has that already, or the listener is gone. A generation that is
 * followed is there for as long as any before it. Any thread. */
bool route_follow(struct job *job) MUST_USE;

/* Whether nobody holds a route of it: then it can be freed, with those before it, if nobody can get
 * one either. */
bool generation_unused(const struct generation *generation);

/* Frees it, with its upstreams. NULL is fine. */
void generation_free(struct generation *generation);

/* The line of the upstream of this name, or NULL. */
struct line *generation_line(const struct generation *generation, const char *upstream);

#endif
