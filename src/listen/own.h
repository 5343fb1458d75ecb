/* What of this relayd's own listening sockets its dials must know: a server that is relayd itself
 * would be a loop, in which one client becomes as many connections as there may be. */
#ifndef LISTEN_OWN_H
#define LISTEN_OWN_H

#include <stdbool.h>

#include "base/addr.h"

/* Before all else, once. */
void own_init(void);

/* A listening socket is there; it goes. Main. */
void own_add(int listening);
void own_remove(int listening);

/* Whether a socket that connects there is accepted by this process. For nearly every address this
 * is one load. Any thread. */
bool own_is(const struct addr *to);

/* Whether to dial there, for a connection that came to `client` from this peer, is a loop: it leads
 * to the same address again, or has come back OWN_HOPS times. Else *ret_hops is how often it has,
 * for own_hop. Any thread. */
#define OWN_HOPS 3
bool own_is_loop(const struct addr *to, int client, const struct addr *peer,
                 unsigned *ret_hops) MUST_USE;

/* Binds a new socket that is to connect there (source: to this address; NULL: to any), and notes
 * the hop, by which the connection that comes is known. 0 or -errno, as -EADDRINUSE: no local port
 * is left. Any thread. */
int own_hop(int fd, const struct addr *to, const struct addr *source, unsigned hops) MUST_USE;

#endif
