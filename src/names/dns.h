/* DNS by c-ares: the records of one type of one full name, many lookups at a time and without
 * blocking. Nothing but dns.c and dns_reply.c knows c-ares.
 *
 * All of it is used by one thread, which drives it (wait); only wake may be called by others. */
#ifndef NAMES_DNS_H
#define NAMES_DNS_H

#include <stddef.h>

#include "base/clock.h"
#include "names/dns_reply.h"

enum dns_outcome {
    DNS_FOUND, /* there are records of this type */
    DNS_NONE,  /* there are none, or no such name: that is the answer */
    DNS_FAILED /* nobody knows: no answer, or that of a server in trouble */
};

struct dns_answer {
    enum dns_outcome outcome;
    const char *why; /* in words; NULL if FOUND */
    size_t n;
    const struct dns_record *list; /* in the order of the reply */
    usec_t ttl;                    /* of FOUND */
};

struct dns;

/* Called once for each lookup, from within lookup, wait or free. The answer is valid during the
 * call, which must not free the dns. */
typedef void dns_done_fn(void *arg, const struct dns_answer *answer);

/* The way to DNS, so that a test can script one. */
struct dns_ops {
    struct dns *(*new)(void); /* NULL: no memory or no descriptor */

    /* Ends what is under way (DNS_FAILED). NULL is fine. */
    void (*free)(struct dns *dns);

    /* Asks for the records of a full name, and follows its aliases (CNAME) to where the records
     * are. An edit of /etc/resolv.conf counts for what is asked 2 s later, at the latest. */
    void (*lookup)(struct dns *dns, const char *name, enum dns_type type, dns_done_fn *done,
                   void *arg);

    /* Goes on with lookups as answers come, until something has happened, or the deadline, or
     * wake. */
    void (*wait)(struct dns *dns, usec_t deadline);
    void (*wake)(struct dns *dns);
};

extern const struct dns_ops dns_cares;

#endif
