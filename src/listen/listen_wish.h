/* What a configuration asks for: a wish is one listening socket. A reload compares the wishes of
 * the new file with the sockets that are open, and keeps those that meet one, so that no client is
 * refused meanwhile. */
#ifndef LISTEN_LISTEN_WISH_H
#define LISTEN_LISTEN_WISH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "config/config.h"

struct listen_wish {
    const struct listener_config *listener;
    size_t index;                         /* of the listener in the configuration */
    const struct listen_address *address; /* as the operator wrote it */
    bool systemd; /* all sockets that were passed under the listener's name; else: */
    bool any;     /* every local address; IPv4 will do on a machine without IPv6 */
    bool v6only;
    struct addr addr;
    bool met; /* there is a socket for it; the caller's */
};

/* Every local address of a family, with this port. */
struct addr listen_wish_any_address(int family, unsigned port);

/* Where IPv4 alone listens in its place, if it is for every local address. */
struct addr listen_wish_fallback(const struct listen_wish *wish);

/* Why a wish could not be met and what to do, as a finished sentence; the caller frees it. why,
 * advice: NULL, or what there is to say if it is not the error's. */
char *listen_wish_complaint(const struct listen_wish *wish, int error, const char *why,
                            const char *advice);

#endif
