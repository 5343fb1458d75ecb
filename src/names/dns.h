/* DNS by c-ares: many lookups at a time, without blocking. Only dns.c and dns_reply.c know c-ares.
 *
 * One thread uses it; others may call wake. */
#ifndef NAMES_DNS_H
#define NAMES_DNS_H

#include <stddef.h>

#include "base/clock.h"
#include "names/dns_reply.h"

enum dns_outcome {
    DNS_FOUND, /* there are records */
    DNS_NONE,  /* no such records, or no such name */
    DNS_FAILED /* no answer, or a server in trouble */
};

struct dns_answer {
    enum dns_outcome outcome;
    const char *why; /* in words; NULL if found */
    size_t n;
    const struct dns_record *list; /* in the order of the reply */
    usec_t ttl;                    /* if found */
};

struct dns;

/* Called once for each lookup, within lookup, wait or free. The answer is valid during the call,
 * which must not free the dns. */
typedef void dns_done_fn(void *arg, const struct dns_answer *answer);

/* The way to DNS; a test can script one. */
struct dns_ops {
    struct dns *(*new)(void); /* NULL: no memory or no descriptor */

    /* Ends what is under way: DNS_FAILED. NULL is fine. */
    void (*free)(struct dns *dns);

    /* Asks for records of a full name, following aliases (CNAME). An edit of /etc/resolv.conf
     * counts within 2 s. */
    void (*lookup)(struct dns *dns, const char *name, enum dns_type type, dns_done_fn *done,
                   void *arg);

    /* Takes answers until an event, the deadline, or wake. */
    void (*wait)(struct dns *dns, usec_t deadline);
    void (*wake)(struct dns *dns);
};

extern const struct dns_ops dns_cares;

#endif
