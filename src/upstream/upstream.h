/* An upstream: a named group of servers. The resolver's thread replaces the roster as names change;
 * a connection holds its member by a reference. */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "upstream/bulletin.h"
#include "upstream/roster.h"

/* on_down = reset: resets a member's connections. The checker's thread, without a lock. */
typedef void upstream_down_fn(void *arg, const struct member *member);

/* Shared by all of a configuration. */
struct upstream_shared {
    struct members *members; /* a reference; all configurations' */
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
    struct cond answered;         /* news of names, a probe's end, or cancelled */
    size_t n_coming GUARDED;      /* servers that are `coming` */
    unsigned n_answers GUARDED;   /* counts news of names */
    struct roster roster GUARDED; /* single_writer in enlist.h */
    uint64_t random GUARDED;
    /* since when a search tries members left alone; 0: none does */
    usec_t probed GUARDED;
    bool cancelled GUARDED;
    bool begun GUARDED;
    bool retired GUARDED;       /* a newer one is in force */
    _Atomic usec_t reviewed;    /* by reach.c: the last look at members cut off, */
    _Atomic size_t review_from; /* where in the roster to go on, */
    _Atomic size_t source_turn; /* for several addresses in source_address */
    _Atomic usec_t source_said; /* by reach.c: when missing ones were logged */
};

/* Without members. former: of the same name, or NULL; its bulletin goes on. False: no memory;
 * upstream_destroy is due all the same. */
bool upstream_init(struct upstream *upstream, const struct upstream_config *config,
                   const struct upstream_shared *shared, const struct upstream *former) MUST_USE;

/* Gives all members back. No thread uses it any more. */
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

void upstream_note_trouble(struct upstream *upstream, struct member *member, const char *why);

/* A member as it is listed. */
struct listed_member {
    struct member *member; /* a reference */
    const struct server_config *server;
    bool slow;       /* it regains its share (slow_start) */
    uint64_t weight; /* in force */
    enum order_state ordered;
};

/* Without an address, as upstream_list lists the others. i: of its servers. Any thread. */
struct listed_member upstream_without_address(const struct upstream *upstream, size_t i);

/* Lists up to `most` of its members in the order of servers; returns how many there are. Any thread
 * that holds its configuration. */
size_t upstream_list(struct upstream *upstream, struct listed_member *ret_list, size_t most);

/* Whether its member's connections are to be reset now: on_down = reset, and it is down, by checks
 * or by an operator. Any thread, no leaf lock held. */
bool upstream_resets(const struct upstream *upstream, const struct member *member);

/* Whether a connection to its member may be asked more: the member is listed, takes new ones, and
 * is not down. Any thread that holds its configuration, no leaf lock held. */
bool upstream_keeps(struct upstream *upstream, const struct member *member);

/* All its servers have weight 0: no new connections. Any thread. */
bool upstream_is_drained(const struct upstream *upstream);

/* Some server that is not drained is `coming`. */
bool upstream_awaits_names(const struct upstream *upstream) REQUIRES(upstream->lock);

/* What is ordered of a server has changed: whoever waits looks again. Any thread. */
void upstream_look_again(struct upstream *upstream);

/* See roster_count. Any thread. */
void upstream_count(struct upstream *upstream, size_t *ret_all, size_t *ret_up);

#endif
