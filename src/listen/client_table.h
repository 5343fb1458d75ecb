/* Each client's connections and rate of new ones, for max_connections_per_client and
 * max_rate_per_client. A client is an IPv4 address, also inside an IPv6 address (base/embedded.h),
 * or the first bits of an IPv6 address. One table a listener.
 *
 * Memory is bounded: an entry stays while its client has a connection or its rate is remembered
 * (until its bucket is full again). Beyond CLIENT_TABLE_IDLE_MAX rates the least recent is
 * forgotten: in doubt a client is let in. */
#ifndef LISTEN_CLIENT_TABLE_H
#define LISTEN_CLIENT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/check.h"
#include "base/clock.h"

#define CLIENT_TABLE_IDLE_MAX  65536
#define CLIENT_TABLE_PREFIX_V6 64 /* bits, until client_table_regroup */

struct client_table;
struct client_seat; /* of one connection */

/* NULL: no memory. */
struct client_table *client_table_new(void);
void client_table_free(struct client_table *table); /* all have left; NULL is fine */

enum client_outcome {
    CLIENT_OK = 0,
    CLIENT_TOO_MANY, /* it has max_connections already */
    CLIENT_TOO_FAST, /* than max_rate a second, after a burst of twice that */
};

/* The client that an address is of, IPv4 as ::ffff:a.b.c.d. False: no IP address. Pure. */
bool client_table_prefix(const struct addr *client, unsigned prefix_v6,
                         unsigned char ret_bytes[16]) MUST_USE;

/* Counts a new connection. max_connections, max_rate: 0 is no limit. now: clock_now() or
 * clock_coarse(). On CLIENT_OK *ret_seat is for client_table_leave; NULL if it cannot be counted (a
 * unix socket, no memory). Refused connections do not count for the rate. Any thread. */
enum client_outcome client_table_enter(struct client_table *table, const struct addr *client,
                                       int64_t max_connections, int64_t max_rate, usec_t now,
                                       struct client_seat **ret_seat);
/* A client as client_table_enter would find it now. */
struct client_look {
    enum client_outcome outcome;
    size_t live;
    int64_t burst; /* how many it may still open at once, by its rate; 0 without max_rate */
};
struct client_look client_table_look(struct client_table *table, const struct addr *client,
                                     int64_t max_connections, int64_t max_rate, usec_t now);

/* Notes that a client stayed at CLIENT_TOO_MANY while the caller waited for an end; whether that
 * was within the last second. now: clock_now(). Any thread. */
void client_table_note_vain(struct client_table *table, const struct addr *client, usec_t now);
bool client_table_was_vain(struct client_table *table, const struct addr *client, usec_t now);

void client_table_leave(struct client_table *table, struct client_seat *seat); /* NULL is fine */

/* Makes so many bits of an IPv6 address, 1 to 128, a client, if changed: counts all connections
 * anew (without memory, not all) and forgets the rates of IPv6 clients. Any thread. */
void client_table_regroup(struct client_table *table, unsigned prefix_v6);

/* Entries now. Any thread. */
size_t client_table_size(struct client_table *table);

#endif
