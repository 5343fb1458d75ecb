/* GET /servers: each server and address, and how it does. */
#ifndef CONTROL_SERVERS_H
#define CONTROL_SERVERS_H

#include <time.h>

#include "control/question.h"

/* What servers_reply says. NULL: no memory. */
json_t *servers_json(const struct question *question);
struct reply servers_reply(const struct question *question);

/* Calls visit for each member of each upstream, without a lock; for a server without an address
 * once, with member NULL. False: no memory. */
typedef void servers_fn(void *arg, const struct upstream *upstream,
                        const struct listed_member *listed);
bool servers_visit(const struct generation *generation, servers_fn *visit, void *arg) MUST_USE;

/* A member's address; of a server that has none, what the file says. */
void servers_address(const struct listed_member *listed, char ret_text[ADDR_TEXT_MAX]);

/* Wall clock seconds: since when it is in its state. slow_start: how long a server regains its
 * share; 0: that counts as up. */
time_t servers_since(const struct member *member, usec_t slow_start, usec_t now);

/* Dials of late: those that succeeded, a second; those that failed, in a minute. NULL: 0. */
double servers_rate(const struct member *member, usec_t now);
double servers_failed_min(const struct member *member, usec_t now);

#endif
