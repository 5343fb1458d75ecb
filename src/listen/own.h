/* This relayd's listening sockets: a server that is relayd itself is a loop, in which one client
 * becomes as many connections as may be. */
#ifndef LISTEN_OWN_H
#define LISTEN_OWN_H

#include <stdbool.h>

#include "base/addr.h"

/* Before all else, once. */
void own_init(void);

/* A listening socket opens; closes. Main. */
void own_add(int listening);
void own_remove(int listening);

/* Whether this process accepts what connects there. One load for nearly every address. Any
 * thread. */
bool own_is(const struct addr *to);

/* Whether a dial there, for a connection that came to `client` from this peer, is a loop: it leads
 * to the same address, or would be the hop after OWN_HOPS. Else *ret_hops: those behind it, for
 * own_hop. Any thread. */
#define OWN_HOPS 3
bool own_is_loop(const struct addr *to, int client, const struct addr *peer,
                 unsigned *ret_hops) MUST_USE;

/* Binds a new socket that is to connect there (to source; NULL: any address) and notes the hop. 0
 * or -errno; -EADDRINUSE: no local port is left. Any thread. */
int own_hop(int fd, const struct addr *to, const struct addr *source, unsigned hops) MUST_USE;

#endif
