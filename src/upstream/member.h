/* A member: one address of a server of an upstream, which is what is dialled, counted and found up
 * or down.
 *
 * A name that stands for three addresses makes three members. A reload keeps the members whose
 * upstream, server and address the new configuration has too, so that their connections, failures
 * and checks go on being counted. All that changes in a member is atomic, but for its history; it
 * is owned by references. */
#ifndef UPSTREAM_MEMBER_H
#define UPSTREAM_MEMBER_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "base/clock.h"
#include "config/config.h"
#include "health/check_history.h"

struct member {
    /* All that a choice looks at, in one line of the cache: */
    alignas(64) _Atomic size_t live; /* dials under way and connections */
    _Atomic bool down;               /* health checks found it so: what `history` says */
    _Atomic bool probed;             /* one connection is finding out whether it takes dials */
    _Atomic int cut_off; /* errno: this machine has no way to its address (reach.h); 0: it has */
    _Atomic unsigned failed;   /* dials in a row */
    _Atomic usec_t out_until;  /* it is left alone, after so many failures; 0: it is not */
    _Atomic usec_t back_since; /* for slow_start; 0: it was never away */
    _Atomic usec_t usual_dial; /* what a dial takes, smoothed; 0: none has succeeded yet */
    _Atomic int64_t credit;    /* see struct candidate */
    uint64_t id;               /* see struct candidate */

    _Atomic unsigned refs;
    /* max_connections of its server, in the last configuration that has it; 0: no limit */
    _Atomic int64_t most;
    _Atomic usec_t checked_at;     /* the last check came to its outcome; 0: there was none */
    _Atomic uint64_t check_number; /* see struct check_wish; 0: it has none yet */
    struct check_history history;  /* see member_checked */
    char upstream[CONFIG_NAME_MAX], server[CONFIG_NAME_MAX];
    struct addr addr;
    /* These are under the lock of members.c: */
    uint64_t hash; /* of upstream, server and address */
    LIST_ENTRY(member) in_bucket;
    unsigned rosters;             /* that list it */
    TAILQ_ENTRY(member) departed; /* while none does */
    usec_t left_at;
};

/* With one reference. NULL: no memory. For members.c, which sees to it that there is one of
 * each. */
struct member *member_new(const char *upstream, const char *server, const struct addr *addr);
struct member *member_ref(struct member *member);
void member_unref(struct member *member); /* NULL is fine */

/* "app/a (10.0.0.1:80)", for messages. Returns buf. */
#define MEMBER_TEXT_MAX (2 * CONFIG_NAME_MAX + ADDR_TEXT_MAX + 8)
const char *member_format(const struct member *member, char *buf, size_t size);

/* What is known of it, the best first. */
enum member_standing {
    MEMBER_PROVEN,  /* the last dial succeeded */
    MEMBER_FRESH,   /* no dial has ended yet */
    MEMBER_FAILING, /* the last dials failed, fewer than max_fails in a row */
    MEMBER_DUE,     /* left alone until now: one connection may find out (member_claim_probe) */
    MEMBER_OUT,     /* left alone; only if there is nothing else */
    MEMBER_CUT_OFF, /* this machine has no way to it; only if there is nothing else */
    MEMBER_DOWN,    /* by health checks: not at all */
};
enum member_standing member_standing(const struct member *member, usec_t now);

bool member_is_proven(const struct member *member);  /* left alone or not */
bool member_is_failing(const struct member *member); /* the last dial failed */

/* Members are in cells by their id, and for each cell is counted what changed in its members that a
 * choice may go by. So whoever has added up the members of a cell need not look at them until there
 * is news. Any thread; what was changed before the count is seen after it. */
#define MEMBER_CELLS 256
unsigned member_cell(const struct member *member);
uint64_t member_changes(unsigned cell);

/* In use: neither down nor cut off nor left alone. */
bool member_is_used(const struct member *member, usec_t now);

/* True for one caller, who must then report how the dial went; any other report gives the claim up,
 * too. */
bool member_claim_probe(struct member *member);

/* How a dial went. The first two return true if the member is back by this, or left alone from now
 * on. */
bool member_dialled(struct member *member, usec_t took, usec_t now);
bool member_failed(struct member *member, int64_t max_fails, usec_t fail_timeout, usec_t now);
void member_not_asked(
    struct member *member); /* the dial ended for reasons that are not the server's */

/* A health check has come to its outcome. The caller sees to it that this and member_unchecked are
 * called by one at a time: see watcher.c. */
struct check_news member_checked(struct member *member, const struct health_check_config *config,
                                 bool good, usec_t now);

/* There is no way to it (errno), or there is one: 0. Returns what it was. */
int member_set_cut_off(struct member *member, int error);

/* It is not checked any more. used: see check_history_pause. */
void member_unchecked(struct member *member, bool used, usec_t now);

/* What both of them publish. */
void member_set_down(struct member *member, bool down, usec_t now);

/* Counts a connection in, or out; whoever counts it out gives a reference back with it. */
void member_enter(struct member *member);
void member_leave(struct member *member); /* NULL is fine */

#endif
