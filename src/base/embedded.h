/* IPv4 addresses inside IPv6 addresses of translators and tunnels. (Not ::ffff:a.b.c.d, which is
 * IPv4: addr.h.) */
#ifndef BASE_EMBEDDED_H
#define BASE_EMBEDDED_H

#include <stddef.h>

#include "base/addr.h"

#define EMBEDDED_MOST 4

/* The IPv4 addresses (port 0) it may stand for, likeliest first. More than one only in
 * 64:ff9b:1::/48, where the translator's prefix length is unknown. Pure. */
size_t embedded_find(const struct addr *addr, struct addr ret_list[EMBEDDED_MOST]);

#endif
