/* Whether this machine has a way to an address. */
#ifndef BASE_ROUTE_H
#define BASE_ROUTE_H

#include <stdbool.h>

#include "base/addr.h"

/* Whether this error of socket, bind or connect can mean no way. */
bool route_may_lack(int error);

/* 0: a way from source (same family, port 0; NULL: the kernel's choice), nobody can tell, or a unix
 * socket. Else the errno of what is missing: the family (EAFNOSUPPORT; EADDRNOTAVAIL where IPv6 is
 * disabled), source on this machine (EADDRNOTAVAIL), a route (ENETUNREACH, EHOSTUNREACH, EACCES,
 * EINVAL), an interface (ENODEV, EINVAL). Connects a datagram socket, which sends nothing (udp(7))
 * and needs no TCP port. Three or four system calls. Any thread. */
int route_error(const struct addr *to, const struct addr *source);

/* Whether a socket can be bound to this IP address, of whatever port: it is this machine's. */
bool route_has_address(const struct addr *addr);

#endif
