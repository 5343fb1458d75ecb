/* The names of one configuration, each told to its listener when it changes. resolver.h looks them
 * up. */
#ifndef NAMES_NAMES_H
#define NAMES_NAMES_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "names/endpoints.h"
#include "names/host.h"
#include "names/service.h"

/* Called by the resolver's thread, without a lock. */
struct names_watcher {
    /* The endpoints, at first and when they change. NULL: none, and none are coming; told once, and
     * only before any were. */
    void (*answered)(void *arg, const struct endpoints *endpoints);
    /* All names with news have been told. coming: this one is still looked up for the first time,
     * in part. */
    void (*settled)(void *arg, bool coming);
};

TAILQ_HEAD(name_list, name);

/* Whose name it is, for the log. */
struct name_owner {
    const char *upstream, *server; /* live as long as the names; NULL: unknown */
};

enum names_stage { NAMES_OUT, NAMES_COMING, NAMES_IN };

struct names {
    TAILQ_ENTRY(names) entry; /* in the resolver's lists; as the stage, under its lock */
    enum names_stage stage;
    _Atomic bool retired;
    struct name_list list;
    struct name_list *pending; /* the thread's: names with news */
};

/* The resolver's thread's, while its names are IN. */
struct name {
    TAILQ_ENTRY(name) entry, news; /* in names, and in pending */
    struct names *names;
    struct addr_spec spec;
    struct log_field owner[3]; /* what messages about it name */
    const struct names_watcher *listener;
    void *arg;
    struct wish wish;
    struct host *host; /* of an ADDR_NAME, or: */
    struct service *service;
    struct endpoints last; /* that were told */
    bool pending;
    bool told; /* anything */
    /* all was looked up once: later changes are logged */
    bool settled;
    bool unsaid;   /* that it changed */
    bool failing;  /* as logged */
    bool cut_said; /* more than ENDPOINTS_MOST */
};

struct names *names_new(void); /* NULL: no memory */

/* Adds a name (ADDR_NAME or ADDR_SRV), before resolver_join. It is looked up at once, and again
 * after its TTL (from 1 s to `interval`), or 1 s after a failure, doubling up to the interval.
 * False: no memory. */
bool names_add(struct names *names, const struct addr_spec *spec, struct name_owner owner,
               usec_t interval, const struct names_watcher *listener, void *arg) MUST_USE;

/* A newer configuration does the logging. Any thread. */
void names_retire(struct names *names);

/* No resolver has them (resolver_leave). NULL is fine. */
void names_free(struct names *names);

/* The resolver's thread: begins lookups; ends them; tells the news. */
void names_take_in(struct names *names, struct cache *cache, struct name_list *pending);
void names_let_go(struct names *names);
void names_tell(struct name_list *pending);

#endif
