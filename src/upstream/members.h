/* All members of the process, one for each upstream, server and address: configurations share
 * counts, and pointers can be compared.
 *
 * A member in no roster has departed (from the zone or the file). It is kept while it has
 * connections, and a while after, to come back as it was. */
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

/* Finds or makes it, with a reference. NULL: no memory. Any thread, no leaf lock held. */
struct member *members_get(struct members *members, const char *upstream, const char *server,
                           const struct addr *addr);

/* Into a roster, which owns the reference; and out of it. Any thread, no leaf lock held. */
void members_list(struct members *members, struct member *member);
void members_unlist(struct members *members, struct member *member);

/* Connections of all addresses of a server, departed ones too, dials included. Any thread, no leaf
 * lock held. */
size_t members_count_live(struct members *members, const char *upstream, const char *server);

/* Lists up to `most` of those with connections, each with a reference; returns how many there are.
 * The same. */
size_t members_list_live(struct members *members, struct member **ret_list, size_t most);

/* For tests. */
size_t members_count(struct members *members);

#endif
