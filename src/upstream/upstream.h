/* An upstream: a named group of servers (server.h), each address of which is a member (member.h),
 * which is what is chosen and dialled.
 *
 * The members of names come and go with DNS: the resolver's thread puts a new list in the place of
 * the old one. Whoever has picked a member holds a reference, so connections do not care. */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "upstream/bulletin.h"
#include "upstream/roster.h"

/* What a member that went down calls, if the upstream says on_down = reset: its connections are to
 * be reset. By the checker's thread, without a lock. */
typedef void upstream_down_fn(void *arg, const struct member *member);

/* What the upstreams of one configuration have in common. */
struct upstream_shared {
    struct members *members; /* a reference; all configurations have the same */
    struct health *health;
    upstream_down_fn *on_down;
    void *arg;
};

struct upstream {
    const struct upstream_config *config;
    const struct upstream_shared *shared;
    bool checks_anew; /* the one before checked its servers in another way, or not at all */
    struct bulletin *bulletin; /* a reference */
    struct server *servers;    /* config->n_servers */
    bool changed;              /* the endpoints of some; as those */
    struct lock lock;
    struct cond answered;         /* there is news of names, a probe has ended, or cancelled */
    size_t n_coming GUARDED;      /* of the servers: these */
    unsigned n_answers GUARDED;   /* this changes with each news of names */
    struct roster roster GUARDED; /* see enlist.h */
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

/* One without members. former: the one of the same name before, or NULL: what was said of it goes
 * on. False: no memory, and upstream_destroy is due all the same. */
bool upstream_init(struct upstream *upstream, const struct upstream_config *config,
                   const struct upstream_shared *shared, const struct upstream *former) MUST_USE;

/* Lets go of all members. No thread uses the upstream any more. */
void upstream_clear(struct upstream *upstream);
void upstream_destroy(struct upstream *upstream); /* after that */

/* See upstreams.h. */
void upstream_begin(struct upstream *upstream);
void upstream_retire(struct upstream *upstream);
void upstream_cancel(struct upstream *upstream);

/* See bulletin.h. */
bool upstream_is_unreachable(const struct upstream *upstream); /* and that was said */
void upstream_say_unreachable(struct upstream *upstream);
void upstream_say_reachable(struct upstream *upstream);

void upstream_note_trouble(struct upstream *upstream, const struct member *member, const char *why);

/* How many members there are, and how many of them can be chosen; those with weight 0 are not
 * counted. Any thread. */
void upstream_count(struct upstream *upstream, size_t *ret_all, size_t *ret_up);

#endif
