/* What the resolver knows of hosts (host.h) and services (service.h), and whom it asks. Its
 * thread's, but for `dns` before its start, and dns_ops.wake. */
#ifndef NAMES_CACHE_H
#define NAMES_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "names/dns.h"
#include "names/etc.h"

struct host;
struct service;

struct cache {
    const struct dns_ops *ops;
    struct dns *dns;
    struct etc etc;
    bool stopping;                  /* answers are ignored */
    void *host_tree, *service_tree; /* tsearch(3), by name */
    TAILQ_HEAD(, host) hosts;
    TAILQ_HEAD(, service) services;
    size_t n_unwanted; /* hosts */
    size_t n_asked;    /* queries to DNS for hosts, ever */
    usec_t next;       /* when something is due */
    usec_t walked;     /* when all was last searched for it; 0: at once */
};

static inline void cache_expect(struct cache *cache, usec_t due) {
    if (due < cache->next)
        cache->next = due;
}

#endif
