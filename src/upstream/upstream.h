/* An upstream: a named group of servers (server.h).
 *
 * Members of names come and go with DNS: the resolver's thread replaces the roster. A chosen member
 * is held by a reference, so connections do not care. */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "upstream/bulletin.h"
#include "upstream/roster.h"

/* on_down = reset: a member went down, and its connections are to be reset. Called by the checker's
 * thread, without a lock. */
typedef void upstream_down_fn(void *arg, const struct member *member);

/* What all upstreams of a configuration share. */
struct upstream_shared {
    struct members *members; /* a reference; all configurations share them */
    struct health *health;
    upstream_down_fn *on_down;
    void *arg;
};

struct upstream {
    const struct upstream_config *config;
    const struct upstream_shared *shared;
    bool checks_anew;          /* the former one had other checks, or none */
    struct bulletin *bulletin; /* a reference */
    struct server *servers;    /* config->n_servers */
    bool changed;              /* some endpoints; by the same threads */
    struct lock lock;
    struct cond answered;         /* names have news, a probe has ended, or cancelled */
    size_t n_coming GUARDED;      /* servers that are `coming` */
    unsigned n_answers GUARDED;   /* changes with each news of names */
    struct roster roster GUARDED; /* single_writer in enlist.h */
    uint64_t random GUARDED;
    /* since when a search tries members although all are left alone; 0: none does */
    usec_t probed GUARDED;
    bool cancelled GUARDED;
    bool begun GUARDED;         /* put in force */
    bool retired GUARDED;       /* a newer configuration is in force */
    _Atomic usec_t reviewed;    /* by reach.c: the last look at members cut off, */
    _Atomic size_t review_from; /* where in the roster to go on, */
    _Atomic size_t source_turn; /* for several addresses in source_address */
    _Atomic usec_t source_said; /* by reach.c: when missing ones were logged */
};

/* Without members. former: of the same name, or NULL; what was logged of it goes on. False: no
 * memory; upstream_destroy is due all the same. */
bool upstream_init(struct upstream *upstream, const struct upstream_config *config,
                   const struct upstream_shared *shared, const struct upstream *former) MUST_USE;

/* Gives all members back. No thread may use the upstream any more. */
void upstream_clear(struct upstream *upstream);
void upstream_destroy(struct upstream *upstream); /* after that */

/* See upstreams.h. */
void upstream_begin(struct upstream *upstream);
void upstream_retire(struct upstream *upstream);
void upstream_cancel(struct upstream *upstream);

/* See bulletin.h. */
bool upstream_is_unreachable(const struct upstream *upstream); /* as logged */
void upstream_say_unreachable(struct upstream *upstream);
void upstream_say_reachable(struct upstream *upstream);

void upstream_note_trouble(struct upstream *upstream, const struct member *member, const char *why);

/* How many members there are, and can be chosen; without those of weight 0. Any thread. */
void upstream_count(struct upstream *upstream, size_t *ret_all, size_t *ret_up);

#endif
