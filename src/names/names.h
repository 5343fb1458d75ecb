/* The names of one configuration: what each stands for, told whenever it changes. The resolver
 * (resolver.h), to which they are handed, looks them up. */
#ifndef NAMES_NAMES_H
#define NAMES_NAMES_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "base/clock.h"
#include "names/endpoints.h"
#include "names/host.h"
#include "names/service.h"

/* Whom a name tells, by the resolver's thread, without a lock. */
struct names_listener {
    /* Its endpoints are these from now on; at first as soon as there are any, and then whenever
     * they are others. NULL: it has none, and for now none will come; told once, while there were
     * none before. */
    void (*answered)(void *arg, const struct endpoints *endpoints);
    /* All that is known at this moment has been told, to it and to others. coming: a part of it is
     * being looked up for the first time, and there may be more endpoints soon. */
    void (*settled)(void *arg, bool coming);
};

TAILQ_HEAD(name_list, name);

enum names_stage { NAMES_OUT, NAMES_COMING, NAMES_IN };

struct names {
    TAILQ_ENTRY(names) entry; /* of the resolver's lists, as the stage, under its lock */
    enum names_stage stage;
    _Atomic bool retired;
    struct name_list list;
    struct name_list *pending; /* the thread's: where one of which there is news goes */
};

/* The thread's, while its names are IN. */
struct name {
    TAILQ_ENTRY(name) entry, news; /* of names, and of what is pending */
    struct names *names;
    struct addr_spec spec;
    const struct names_listener *listener;
    void *arg;
    struct wish wish;
    struct host *host; /* of an ADDR_NAME, or */
    struct service *service;
    struct endpoints last; /* what it told */
    bool pending;
    bool told; /* anything */
    /* there was an outcome of all that it is made of: what changes later is news for the log */
    bool settled;
    bool unsaid;   /* such news */
    bool failing;  /* the log says so */
    bool cut_said; /* that it has more than ENDPOINTS_MOST */
};

struct names *names_new(void); /* NULL: no memory */

/* Adds a name (ADDR_NAME or ADDR_SRV), before resolver_join. It is looked up at once, and again
 * when its TTL is over, after 1 s at the soonest and `interval` at the latest. After a failure it
 * is tried again in 1 s, doubling up to the interval. False: no memory. */
bool names_add(struct names *names, const struct addr_spec *spec, usec_t interval,
               const struct names_listener *listener, void *arg) MUST_USE;

/* A newer configuration is in force: it says in the log what there is to say. Any thread. */
void names_retire(struct names *names);

/* The resolver has left them (resolver_leave), or never had them. NULL is fine. */
void names_free(struct names *names);

/* For the resolver's thread: begins to look them up; stops to; tells what there is to tell. */
void names_take_in(struct names *names, struct cache *cache, struct name_list *pending);
void names_let_go(struct names *names);
void names_tell(struct name_list *pending);

#endif
