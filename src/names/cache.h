/* What the resolver's thread knows of hosts (host.h) and services (service.h), and what they share:
 * whom they ask, and when the next of them is due.
 *
 * All of it is that thread's, but for `dns` before the thread and dns_ops.wake. */
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
    bool stopping;                  /* answers mean nothing any more */
    void *host_tree, *service_tree; /* tsearch(3), by name */
    TAILQ_HEAD(, host) hosts;
    TAILQ_HEAD(, service) services;
    size_t n_unwanted; /* hosts */
    usec_t next;       /* something is due */
};

/* Something is due then. */
static inline void cache_expect(struct cache *cache, usec_t due) {
    if (due < cache->next)
        cache->next = due;
}

#endif
