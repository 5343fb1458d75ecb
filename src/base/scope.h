/* Addresses with an interface ([fe80::1%eth0]:80).
 *
 * Their sin6_scope_id stands for the interface's name (base/interface.h), so that they compare and
 * hash like others. scope_connect and scope_bind look up the kernel's number. Any thread. */
#ifndef BASE_SCOPE_H
#define BASE_SCOPE_H

#include <stdbool.h>

#include "base/addr.h"

/* The interface's name; NULL: none, or a number. */
const char *scope_name(const struct addr *addr);

/* As the kernel takes it now: 0, or -ENODEV: no such interface. */
int scope_resolve(const struct addr *addr, struct addr *ret_addr) MUST_USE;

/* The reverse, if an operator named the interface; else the address as it is. */
struct addr scope_recall(const struct addr *addr);

/* connect(2) and bind(2): 0 or -errno. For a missing interface connect says -ENODEV, bind
 * -EADDRNOTAVAIL, as for any foreign address. */
int scope_connect(int fd, const struct addr *addr) MUST_USE;
int scope_bind(int fd, const struct addr *addr) MUST_USE;

/* Whether a TCP socket dialled to addr is connected to itself: a dial to a dead port of this
 * machine can, by chance, start from that port (simultaneous open, RFC 9293, 3.5). */
bool scope_met_itself(int fd, const struct addr *addr);

#endif
