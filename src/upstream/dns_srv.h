/* SRV records (RFC 2782) in the bytes of a reply of DNS. (c-ares reads them, too, but drops their TTL.) */
#ifndef UPSTREAM_DNS_SRV_H
#define UPSTREAM_DNS_SRV_H

#include <stddef.h>

#include "base/addr.h"
#include "base/clock.h"

#define DNS_SRV_MAX                                                                                \
    64 /* targets of one service; of more, those with the later priorities are left out */

struct dns_srv {
    char host[ADDR_NAME_MAX]; /* "": decidedly not available ("." as the target) */
    unsigned port, priority, weight;
};

/* Reads the SRV records of a reply, which is hostile: how many there are in list, in the order of their priorities, or
 * -1 if it makes no sense. *ret_ttl is the least of theirs and of the aliases (CNAME) that led to them. Pure. */
int dns_srv_parse(const unsigned char *reply, size_t size, struct dns_srv list[DNS_SRV_MAX],
                  usec_t *ret_ttl);

#endif
