/* The answer section of a DNS reply (RFC 1035, 4.1), a stranger's bytes. Pure. */
#ifndef NAMES_DNS_REPLY_H
#define NAMES_DNS_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/check.h"
#include "base/clock.h"

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_AAAA = 28, DNS_SRV = 33 };

/* An address, or the target of a service (RFC 2782). */
struct dns_record {
    unsigned char address[16]; /* of A the first 4 */
    unsigned port, priority, weight;
    char target[ADDR_NAME_MAX]; /* "": the service is not available (".") */
};

struct dns_records {
    size_t n, room;
    struct dns_record *list;
    usec_t ttl;                /* the least of theirs and of their aliases */
    char alias[ADDR_NAME_MAX]; /* the last alias (CNAME) of the name; "": none */
};

#define DNS_TTL_MOST ((usec_t)INT32_MAX * USEC_PER_SEC) /* RFC 2181, 8 */

/* Appends the records of this type for the name; the caller frees records->list. False: the reply
 * makes no sense, or no memory. */
bool dns_reply_read(const unsigned char *reply, size_t size, const char *name, enum dns_type type,
                    struct dns_records *records) MUST_USE;

#endif
