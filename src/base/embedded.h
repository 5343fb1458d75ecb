/* IPv4 addresses that stand in IPv6 addresses: where a translator or a tunnel lets IPv4 hosts speak
 * IPv6, a client's address names the IPv4 host that it is. (::ffff:a.b.c.d is not one of them: that
 * is how IPv4 itself is written, see addr.h.) */
#ifndef BASE_EMBEDDED_H
#define BASE_EMBEDDED_H

#include <stddef.h>

#include "base/addr.h"

#define EMBEDDED_MOST 4

/* The IPv4 addresses (port 0) that this one may stand for, the likeliest first; 0: none. They are
 * more than one in 64:ff9b:1::/48 alone, where the length of the translator's prefix is not known.
 * Pure. */
size_t embedded_find(const struct addr *addr, struct addr ret_list[EMBEDDED_MOST]);

#endif
