/* What was logged of an upstream, to log it once and take it back; and its connect times. Upstreams
 * of one name share it over reloads. */
#ifndef UPSTREAM_BULLETIN_H
#define UPSTREAM_BULLETIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "base/sync.h"
#include "upstream/member.h"

#define BULLETIN_TROUBLE_MAX (MEMBER_TEXT_MAX + 128)

struct bulletin {
    _Atomic unsigned refs;
    _Atomic bool unreachable; /* logged: no member can be had */
    _Atomic usec_t said_at;   /* 0: never */
    _Atomic bool cut_off[2];  /* logged: members of IPv4, of IPv6 are cut off (reach.h) */
    struct lock lock;
    struct histogram dials;                     /* those that succeeded */
    struct histogram first_bytes;               /* of answers to requests of mode http */
    char trouble[BULLETIN_TROUBLE_MAX] GUARDED; /* which member went down last, and why */
};

/* With one reference. NULL: no memory. */
struct bulletin *bulletin_new(void);
struct bulletin *bulletin_ref(struct bulletin *bulletin);
void bulletin_unref(struct bulletin *bulletin); /* NULL is fine */

/* Logged once, at most every SAY_AGAIN. Any thread. */
void bulletin_say_unreachable(struct bulletin *bulletin, const char *upstream);
void bulletin_say_reachable(struct bulletin *bulletin, const char *upstream);

/* Notes why a member cannot be used; copies the last note, or "". Any thread. */
void bulletin_note_trouble(struct bulletin *bulletin, const struct member *member, const char *why);
const char *bulletin_trouble(struct bulletin *bulletin, char *buf, size_t size); /* returns buf */

#endif
