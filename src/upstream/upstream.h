/* Where connections go: an upstream is a named group of servers, a server what the operator wrote,
 * and each address of a server a member (member.h), which is what is chosen and dialled.
 *
 * The members of names come and go with DNS: the resolver's thread puts a new list in the place of
 * the old one. Whoever has picked a member holds a reference, so connections do not care. */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include <stddef.h>

#include "base/sync.h"
#include "config/config.h"
#include "health/health.h"
#include "names/resolver.h"
#include "upstream/balance.h"
#include "upstream/bulletin.h"
#include "upstream/members.h"
#include "upstream/roster.h"

struct server {
    const struct server_config *config;
    struct upstream *upstream;
    bool coming GUARDED; /* a name that is being looked up for the first time, in part at least */
    /* Whoever makes the upstreams, then the resolver's thread; see roster.h: */
    struct endpoint *endpoints; /* that it has now, as endpoints_settle leaves them */
    size_t n_endpoints;
    bool changed;               /* but the roster has others */
    size_t first_slot, n_slots; /* in the roster */
};

struct upstream {
    const struct upstream_config *config;
    struct upstreams *all;
    bool checks_anew; /* the one before checked its servers in another way, or not at all */
    struct bulletin *bulletin; /* a reference */
    struct server *servers;    /* config->n_servers */
    bool changed;              /* the endpoints of some; as those */
    struct lock lock;
    struct cond answered;         /* there is news of names, a probe has ended, or cancelled */
    size_t n_coming GUARDED;      /* of the servers: these */
    unsigned n_answers GUARDED;   /* this changes with each news of names */
    struct roster roster GUARDED; /* see roster.h */
    uint64_t random GUARDED;
    usec_t probed GUARDED; /* all are left alone, and one search tries them since then; else 0 */
    bool cancelled GUARDED;
    bool begun GUARDED;         /* it has been put in force */
    bool retired GUARDED;       /* a newer configuration is in force */
    _Atomic usec_t reviewed;    /* reach.c's: when members that are cut off were looked at, */
    _Atomic size_t review_from; /* and where in the list to go on */
    _Atomic size_t source_turn; /* dials from source_address, where there are several */
    _Atomic usec_t source_said; /* reach.c's: when some were said to be missing */
};

/* What a member that went down calls, if the upstream says on_down = reset: its connections are to
 * be reset. */
typedef void upstream_down_fn(void *arg, const struct member *member);

/* All upstreams of one configuration. */
struct upstreams {
    struct config *config;     /* a reference */
    struct members *members;   /* a reference; all configurations have the same */
    struct resolver *resolver; /* the same */
    struct names *names;
    struct health *health;
    upstream_down_fn *on_down;
    void *arg;
    struct upstream *list; /* in the order of config->upstreams */
    size_t n;
    struct upstream **by_name; /* sorted */
};

/* Makes them. What the former ones (or NULL) know of addresses and members goes on. Takes a
 * reference to config. on_down is called by the checker's thread, without a lock. NULL: no
 * memory. */
struct upstreams *upstreams_new(struct config *config, const struct upstreams *former,
                                upstream_down_fn *on_down, void *arg);

/* Starts looking up names, and checks: 0 or -errno. */
int upstreams_start(struct upstreams *upstreams) MUST_USE;

/* These are in force now: those of their members that they do not check are not taken for down any
 * more. */
void upstreams_begin(struct upstreams *upstreams);

/* Newer ones are in force: no more lookups and checks. Connections that were accepted before go on
 * using them. */
void upstreams_retire(struct upstreams *upstreams);

/* Sends away whoever waits for a name. Any thread. */
void upstreams_cancel(struct upstreams *upstreams);

/* Ends the threads and frees all. No thread may use them any more, but members may still have
 * references. NULL is fine. */
void upstreams_free(struct upstreams *upstreams);

/* For the status line: "; 2 of 3 servers of app are up (app/b (10.0.0.2:80): connect: Connection
 * refused)" for each upstream that lacks one; appends to buf. Any thread. */
void upstreams_describe(struct upstreams *upstreams, char *buf, size_t size);

/* See bulletin.h. */
bool upstream_is_unreachable(const struct upstream *upstream); /* and that was said */
void upstream_say_unreachable(struct upstream *upstream);
void upstream_say_reachable(struct upstream *upstream);

void upstream_note_trouble(struct upstream *upstream, const struct member *member, const char *why);

/* How many members there are, and how many of them can be chosen; those with weight 0 are not
 * counted. Any thread. */
void upstream_count(struct upstream *upstream, size_t *ret_all, size_t *ret_up);

/* The member of this server and address, known or not, with a reference: for a connection that was
 * not dialled under this configuration. NULL: no memory. Any thread. */
struct member *upstreams_member(struct upstreams *upstreams, const char *upstream,
                                const char *server, const struct addr *addr);

#endif
