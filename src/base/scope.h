/* Addresses with an interface ([fe80::1%eth0]:80), and what the kernel takes for them.
 *
 * sin6_scope_id of an address that an operator wrote stands for the interface's name
 * (base/interface.h), so that such addresses are compared and hashed as all others. Whenever one is
 * used, the kernel's number is looked up: scope_connect and scope_bind are for connect(2) and
 * bind(2). Any thread. */
#ifndef BASE_SCOPE_H
#define BASE_SCOPE_H

#include <stdbool.h>

#include "base/addr.h"

/* The name that an address has its interface by; NULL: it has none, or a number. */
const char *scope_name(const struct addr *addr);

/* The address as the kernel takes it now: 0, or -ENODEV if its interface is not there. */
int scope_settle(const struct addr *addr, struct addr *ret_addr) MUST_USE;

/* The reverse, if an operator named that interface; else as it is. */
struct addr scope_recall(const struct addr *addr);

/* connect(2) and bind(2): 0 or -errno. Of an interface that is not there, connect says -ENODEV, and
 * bind -EADDRNOTAVAIL, as of any address that this machine does not have. */
int scope_connect(int fd, const struct addr *addr) MUST_USE;
int scope_bind(int fd, const struct addr *addr) MUST_USE;

/* Whether a TCP socket that was to connect to this address is connected to itself: dialling a dead
 * port of this machine can, by chance, be given that very port to dial from (simultaneous open, RFC
 * 9293, 3.5). */
bool scope_met_itself(int fd, const struct addr *addr);

#endif
