/* DNS by c-ares: names to addresses with their TTLs, and SRV records, several at a time and without blocking.
 *
 * All of it is used by one thread, which drives it (dns_wait); only dns_wake may be called by others. */
#ifndef UPSTREAM_DNS_H
#define UPSTREAM_DNS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/clock.h"

#define DNS_PLACES_MAX 64 /* of one name; a longer answer is cut */

/* One place that a name leads to. */
struct dns_place {
    struct addr addr;
    unsigned priority; /* of SRV: lower ones first; else 0 */
    unsigned weight;   /* of SRV, at least 1; else 1 */
};

struct dns_answer {
    size_t n;
    bool partial; /* some targets of a service could not be looked up: there may be more places */
    usec_t ttl;   /* the least of the records that it is made of */
    struct dns_place places[DNS_PLACES_MAX];
};

struct dns;

/* Called once for each lookup, from within dns_lookup, dns_wait or dns_free: the answer, or NULL and why there is none,
 * in words. Both are valid during the call, which must not free the dns. */
typedef void dns_done_fn(void *arg, const struct dns_answer *answer, const char *why);

/* The way to DNS, so that a test can script one. */
struct dns_ops {
    struct dns *(*new)(void); /* NULL: no memory or no descriptor */
    void (*free)(struct dns *dns);
    void (*lookup)(struct dns *dns, const struct addr_spec *spec, dns_done_fn *done, void *arg);
    void (*wait)(struct dns *dns, usec_t deadline);
    void (*wake)(struct dns *dns);
};

extern const struct dns_ops dns_cares;

struct dns *dns_new(void);

/* Ends what is under way (done is called with a reason). NULL is fine. */
void dns_free(struct dns *dns);

/* Begins to look up a name: an ADDR_NAME in /etc/hosts and DNS, in the order of /etc/nsswitch.conf, with the domains that
 * /etc/resolv.conf says to search; an ADDR_SRV in DNS alone, as it is, and then the addresses of its targets: those that
 * have none are left out. An address of /etc/hosts has the TTL 0. An edit of these files counts after 2 s at the
 * latest. */
void dns_lookup(struct dns *dns, const struct addr_spec *spec, dns_done_fn *done, void *arg);

/* Goes on with lookups as answers come, until something has happened, or the deadline, or dns_wake. */
void dns_wait(struct dns *dns, usec_t deadline);
void dns_wake(struct dns *dns);

#endif
