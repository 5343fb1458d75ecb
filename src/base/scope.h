/* The interfaces of link-local addresses ([fe80::1%eth0]:80), by name.
 *
 * The kernel knows an interface by a number, and gives it another one when it is made anew. So what
 * an operator wrote is kept by name: sin6_scope_id of such an address is above the kernel's numbers
 * and stands for the name, so that addresses can be compared and hashed as all others, and stay the
 * same while interfaces come and go. The kernel's number is looked up whenever an address is used:
 * scope_connect and scope_bind in place of connect(2) and bind(2). Any thread. */
#ifndef BASE_SCOPE_H
#define BASE_SCOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define SCOPES_MOST 4096 /* names in the life of the process */

/* Reads what stands after the "%": a name, whether there is such an interface or not, or the
 * kernel's number of one, which is kept as such. On failure returns false and sets *ret_why to a
 * constant clause. */
bool scope_parse(const char *text, uint32_t *ret_scope, const char **ret_why) MUST_USE;

/* The name that an address has its interface by; NULL: it has none, or a number. */
const char *scope_name(const struct addr *addr);

/* The number that the interface of this name has now; 0: there is none. */
uint32_t scope_index(const char *name);

/* The address as the kernel takes it now: 0, or -ENODEV if its interface is not there. */
int scope_settle(const struct addr *addr, struct addr *ret_addr) MUST_USE;

/* The reverse, if an operator named that interface; else as it is. */
struct addr scope_recall(const struct addr *addr);

/* connect(2) and bind(2): 0 or -errno. Of an interface that is not there, connect says -ENODEV, and
 * bind -EADDRNOTAVAIL, as of any address that this machine does not have. */
int scope_connect(int fd, const struct addr *addr) MUST_USE;
int scope_bind(int fd, const struct addr *addr) MUST_USE;

#endif
