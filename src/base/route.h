/* Whether this machine has a way to an address at all. */
#ifndef BASE_ROUTE_H
#define BASE_ROUTE_H

#include <stdbool.h>

#include "base/addr.h"

/* Whether an error of socket, bind or connect can mean that there is none. */
bool route_may_lack(int error);

/* 0 if there is a way to this address from source (of its family, with port 0; NULL: the kernel's
 * choice), if it cannot be found out, or for a unix socket. Else the errno that says what is
 * missing: the family (EAFNOSUPPORT, or EADDRNOTAVAIL where IPv6 is disabled), source on this
 * machine (EADDRNOTAVAIL), a route (ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL), an interface
 * (ENODEV, EINVAL). Nothing is sent: a datagram socket is connected, which looks up the way alone
 * (udp(7)), and which a lack of TCP ports does not concern. Three system calls, or four. Any
 * thread. */
int route_error(const struct addr *to, const struct addr *source);

#endif
