/* All members of the process, by upstream, server and address: there is one of each, so whoever has
 * a connection to it, in whatever configuration, counts in the same place, and comparing pointers
 * is enough.
 *
 * A member that no roster has any more (its address has left the zone, its server the file) has
 * departed. It is remembered while it has connections, and for a while after, so that one that
 * comes back is what it was: as busy, as down, as slow. Members of connections that another process
 * began are made here, too, before DNS has named them. */
#ifndef UPSTREAM_MEMBERS_H
#define UPSTREAM_MEMBERS_H

#include "upstream/member.h"

#define MEMBERS_DEPARTED_FOR  (10 * 60 * USEC_PER_SEC) /* at least, unless there are more than */
#define MEMBERS_DEPARTED_MOST 4096                     /* besides those with connections */

struct members;

/* With one reference. NULL: no memory. */
struct members *members_new(void);
struct members *members_ref(struct members *members);
void members_unref(struct members *members); /* NULL is fine */

/* The member, old or new, with a reference. NULL: no memory. Any thread, no leaf lock held. */
struct member *members_get(struct members *members, const char *upstream, const char *server,
                           const struct addr *addr);

/* A roster has it, or no more; the reference that goes with it is taken over, or given back. Any
 * thread, no leaf lock held. */
void members_list(struct members *members, struct member *member);
void members_unlist(struct members *members, struct member *member);

/* For tests: how many there are. */
size_t members_count(struct members *members);

#endif
