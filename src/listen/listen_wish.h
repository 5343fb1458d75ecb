/* One listening socket that a configuration asks for. A reload keeps open sockets that meet a wish,
 * so that no client is refused. */
#ifndef LISTEN_LISTEN_WISH_H
#define LISTEN_LISTEN_WISH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "config/config.h"

struct listen_wish {
    const struct listener_config *listener; /* NULL: the status section */
    size_t index;                           /* of the listener in the configuration */
    const struct listen_address *address;   /* as the operator wrote it */
    bool systemd; /* all sockets passed under the listener's name; else: */
    bool any;     /* every local address; IPv4 will do without IPv6 */
    bool v6only;
    struct addr addr;
    bool met; /* the caller's: it has a socket */
};

/* Every local address of a family, with this port. */
struct addr listen_wish_any_address(int family, unsigned port);

/* Where IPv4 alone listens for it, if it is for every local address. */
struct addr listen_wish_fallback(const struct listen_wish *wish);

/* Why it could not be met and what to do, a finished sentence; the caller frees it. why, advice:
 * instead of the error's; or NULL. */
char *listen_wish_complaint(const struct listen_wish *wish, int error, const char *why,
                            const char *advice);

#endif
