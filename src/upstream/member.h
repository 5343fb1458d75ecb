/* A member: one address of a server, which is dialled, counted, and found up or down.
 *
 * A reload keeps it by upstream, server and address. All that changes is atomic, but for the
 * history. Owned by references. */
#ifndef UPSTREAM_MEMBER_H
#define UPSTREAM_MEMBER_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/histogram.h"
#include "base/log.h"
#include "base/meter.h"
#include "config/config.h"
#include "health/check_history.h"

#define MEMBER_TROUBLE_MAX    128
#define MEMBER_STATUS_CLASSES 5

struct member {
    /* For a choice, in one cache line: */
    alignas(64) _Atomic size_t live; /* dials under way, and connections */
    _Atomic bool down;               /* by health checks */
    _Atomic bool probed;             /* one connection tries it: see MEMBER_DUE */
    _Atomic int cut_off;             /* errno: no way to it (reach.h); 0: there is one */
    _Atomic unsigned failed;         /* dials in a row */
    _Atomic usec_t out_until;        /* left alone after failures; 0: not */
    _Atomic usec_t back_since;       /* for slow_start; 0: never away */
    _Atomic usec_t usual_dial;       /* smoothed; 0: none has succeeded */
    _Atomic int64_t credit;
    uint64_t id; /* both: see struct candidate */

    _Atomic unsigned refs;
    /* by the last configuration that has it; 0: no limit */
    _Atomic int64_t max_connections;
    _Atomic usec_t checked_at;     /* the last check's end; 0: none */
    _Atomic uint64_t check_number; /* see struct check_wish */
    struct check_history history;  /* see member_checked */
    char upstream[CONFIG_NAME_MAX], server[CONFIG_NAME_MAX];
    struct addr addr;
    /* Under the lock of members.c: */
    uint64_t hash; /* of upstream, server and address */
    LIST_ENTRY(member) in_bucket;
    unsigned rosters;             /* that list it */
    TAILQ_ENTRY(member) departed; /* while none does */
    usec_t left_at;
    /* For operators; nothing goes by these: */
    struct meter dialled;                  /* dials that succeeded, in MEMBER_RATE_PERIOD */
    struct meter refused;                  /* that failed, in MEMBER_FAILED_PERIOD */
    _Atomic uint64_t n_dialled, n_refused; /* in all */
    /* requests of mode http that it has answered, by the class of their status, from 1xx on */
    _Atomic uint64_t answered[MEMBER_STATUS_CLASSES];
    struct recent_times dials;        /* how long those that succeeded took */
    _Atomic bool drained;             /* weight 0 in the last configuration that has it */
    _Atomic usec_t since;             /* when its state changed last */
    _Atomic unsigned char stood;      /* that state */
    _Atomic int dial_error;           /* errno of the last one that failed; 0: none */
    char trouble[MEMBER_TROUBLE_MAX]; /* see member_note_trouble */
};

#define MEMBER_RATE_PERIOD   (10 * USEC_PER_SEC)
#define MEMBER_FAILED_PERIOD (60 * USEC_PER_SEC)

/* With one reference. NULL: no memory. For members.c alone. */
struct member *member_new(const char *upstream, const char *server, const struct addr *addr);
struct member *member_ref(struct member *member);
void member_unref(struct member *member); /* NULL is fine */

/* "app/a (10.0.0.1:80)", for messages. Returns buf. */
#define MEMBER_TEXT_MAX (2 * CONFIG_NAME_MAX + ADDR_TEXT_MAX + 8)
const char *member_format(const struct member *member, char *buf, size_t size);

/* In one word, as operators see it: up, left_alone or down. */
const char *member_state(const struct member *member);

/* What a message about a member names: fills it in, and returns the list. */
struct member_fields {
    char address[ADDR_TEXT_MAX];
    struct log_field list[5];
};
const struct log_field *member_fields(struct member_fields *fields, const struct member *member,
                                      const char *state);

/* Notes why it was taken out of use last, or is out of use now: a clause, cut to fit; whether that
 * is new. Copies it, or "". Any thread, no leaf lock held. */
bool member_note_trouble(struct member *member, const char *why);
const char *member_trouble(const struct member *member, char *buf, size_t size); /* returns buf */

/* How its last failed dial failed, in words. */
const char *member_dial_error(const struct member *member);

/* The best first. */
enum member_standing {
    MEMBER_PROVEN,  /* the last dial succeeded */
    MEMBER_FRESH,   /* no dial has ended */
    MEMBER_FAILING, /* fewer than max_fails dials in a row failed */
    MEMBER_DUE,     /* one connection may try it (member_claim_probe) */
    MEMBER_OUT,     /* left alone: a last resort */
    MEMBER_CUT_OFF, /* no way to it: a last resort */
    MEMBER_DOWN,    /* by health checks: never chosen */
};
enum member_standing member_standing(const struct member *member, usec_t now);

/* As member_state. */
const char *member_standing_state(enum member_standing standing);

bool member_is_proven(const struct member *member);  /* left alone or not */
bool member_is_failing(const struct member *member); /* its last dial failed */

/* A cell, of members by id, counts changes that a choice goes by: sums over it hold until the count
 * changes. Any thread; what changed before the count is seen after it. */
#define MEMBER_CELLS 256
unsigned member_cell(const struct member *member);
uint64_t member_changes(unsigned cell);

/* Neither down nor cut off nor left alone. */
bool member_is_used(const struct member *member, usec_t now);

/* True for one caller, who must report how the dial went: that ends the claim. */
bool member_claim_probe(struct member *member);

/* True: it is back, or left alone, from now on. */
bool member_dialled(struct member *member, usec_t took, usec_t now);
bool member_failed(struct member *member, int64_t max_fails, usec_t fail_timeout, usec_t now);
void member_not_asked(struct member *member); /* the fault is not the server's */

/* A health check ended. This and member_unchecked run one at a time (watcher.c). */
struct check_news member_checked(struct member *member, const struct health_check_config *config,
                                 bool good, usec_t now);

/* errno; 0: there is a way. Returns the former one. */
int member_set_cut_off(struct member *member, int error);

/* used: see check_history_pause. */
void member_unchecked(struct member *member, bool used, usec_t now);

void member_set_down(struct member *member, bool down, usec_t now);

/* Its weight is 0, or not. */
void member_set_drained(struct member *member, bool drained, usec_t now);

/* Counts a connection in, or out, with a reference. */
void member_enter(struct member *member);
void member_leave(struct member *member); /* NULL is fine */

#endif
