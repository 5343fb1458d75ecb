/* What was said of an upstream, so that it is said once, and taken back: that no member can be had,
 * and why one cannot be used. It goes on when the configuration is loaded anew: an upstream shares
 * it with the one of the same name before. */
#ifndef UPSTREAM_BULLETIN_H
#define UPSTREAM_BULLETIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/sync.h"
#include "upstream/member.h"

#define BULLETIN_TROUBLE_MAX (MEMBER_TEXT_MAX + 128)

struct bulletin {
    _Atomic unsigned refs;
    _Atomic bool unreachable; /* no member could be had, and that was said */
    _Atomic usec_t said_at;   /* when; 0: never */
    _Atomic bool
        cut_off[2]; /* members are cut off, of IPv4, of IPv6, and that was said (reach.h) */
    struct lock lock;
    char trouble[BULLETIN_TROUBLE_MAX] GUARDED; /* which member went down last, and why */
};

/* With one reference. NULL: no memory. */
struct bulletin *bulletin_new(void);
struct bulletin *bulletin_ref(struct bulletin *bulletin);
void bulletin_unref(struct bulletin *bulletin); /* NULL is fine */

/* No member can be had; one can be had again. Each is said once, and not more often than every
 * SAY_AGAIN. Any thread. */
void bulletin_say_unreachable(struct bulletin *bulletin, const char *upstream);
void bulletin_say_reachable(struct bulletin *bulletin, const char *upstream);

/* Why a member cannot be used, and what was noted last; "": nothing yet. Any thread. */
void bulletin_note_trouble(struct bulletin *bulletin, const struct member *member, const char *why);
const char *bulletin_trouble(struct bulletin *bulletin, char *buf, size_t size); /* returns buf */

#endif
