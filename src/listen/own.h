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

/* A socket that is neither bound nor connected is to dial there, for the connection that came to
 * `client` from this peer: notes the hop, from which the next one is told. 0; -ELOOP, if this leads
 * to the same address again, or goes on for more than OWN_HOPS; or -errno, as -EADDRINUSE: no local
 * port is left. source: to bind to, or NULL. Any thread. */
#define OWN_HOPS 3
int own_hop(int fd, const struct addr *to, const struct addr *source, int client,
            const struct addr *peer) MUST_USE;

#endif
