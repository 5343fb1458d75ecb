/* IPv4 addresses inside IPv6 addresses: where a translator or tunnel lets IPv4 hosts speak IPv6, a
 * client's address names its IPv4 host. (::ffff:a.b.c.d is none of them: it is IPv4 itself, see
 * addr.h.) */
#ifndef BASE_EMBEDDED_H
#define BASE_EMBEDDED_H

#include <stddef.h>

#include "base/addr.h"

#define EMBEDDED_MOST 4

/* The IPv4 addresses (port 0) that this one may stand for, the likeliest first; 0: none. More than
 * one only in 64:ff9b:1::/48, where the length of the translator's prefix is unknown. Pure. */
size_t embedded_find(const struct addr *addr, struct addr ret_list[EMBEDDED_MOST]);

#endif
