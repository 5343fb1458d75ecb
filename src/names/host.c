#include "names/host.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "names/host_lookup.h"

#define UNWANTED_FOR  (5 * 60 * USEC_PER_SEC)
#define UNWANTED_MOST 1024                 /* hosts */
#define TOGETHER      (10 * USEC_PER_MSEC) /* two lookups as near as this begin together */

static int compare_host_names(const void *a, const void *b) {
    return strcasecmp(a, b); /* a host begins with its name */
}

struct host *host_get(struct cache *cache, const char *name) {
    struct host **at = tfind(name, &cache->host_tree, compare_host_names);
    struct host *host = at != NULL ? *at : calloc(1, sizeof(*host));

    if (at != NULL || host == NULL)
        return host;
    host->cache = cache;
    snprintf(host->name, sizeof(host->name), "%s", name);
    LIST_INIT(&host->wishes);
    for (size_t i = 0; i < FAMILIES; i++)
        host->family[i] = (struct family){.asked = -1, .retry = RETRY_FIRST, .from = FROM_HOSTS};
    host->interval = USEC_NEVER;
    host->unwanted_since = clock_now();
    if (tsearch(host, &cache->host_tree, compare_host_names) == NULL) {
        free(host);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&cache->hosts, host, entry);
    cache->n_unwanted++;
    return host;
}

usec_t wish_interval(const struct wish_list *wishes) {
    usec_t least = USEC_NEVER;
    const struct wish *wish;

    LIST_FOREACH(wish, wishes, entry)
        least = wish->interval < least ? wish->interval : least;
    return least;
}

void host_join(struct host *host, struct wish *wish) {
    bool unwanted = host->unwanted_since != 0;

    host->cache->n_unwanted -= unwanted;
    host->unwanted_since = 0;
    LIST_INSERT_HEAD(&host->wishes, wish, entry);
    host->interval = wish->interval < host->interval ? wish->interval : host->interval;
    for (size_t i = 0; i < FAMILIES && unwanted; i++)
        host_hurry(host, &host->family[i]);
}

void host_want(struct host *host, struct wish *wish) {
    host_join(host, wish);
    host->say_again = host->said != HOST_FINE;
    for (size_t i = 0; i < FAMILIES; i++) {
        host_hurry(host, &host->family[i]);
        host->family[i].retry = RETRY_FIRST;
    }
}

void host_unwant(struct host *host, struct wish *wish) {
    LIST_REMOVE(wish, entry);
    if (wish->interval == host->interval)
        host->interval = wish_interval(&host->wishes);
    if (!LIST_EMPTY(&host->wishes))
        return;
    host->unwanted_since = clock_now();
    host->cache->n_unwanted++;
    cache_expect(host->cache, 0);
}

void host_free(struct host *host) {
    struct cache *cache = host->cache;

    (void)tdelete(host->name, &cache->host_tree, compare_host_names);
    TAILQ_REMOVE(&cache->hosts, host, entry);
    cache->n_unwanted -= host->unwanted_since != 0;
    for (size_t i = 0; i < FAMILIES; i++)
        free(host->family[i].list);
    free(host);
}

usec_t host_go_on(struct host *host, usec_t now) {
    usec_t next = USEC_NEVER;

    if (host->unwanted_since != 0) {
        usec_t end = host->unwanted_since + UNWANTED_FOR;

        if (host->queries > 0 || (now < end && host->cache->n_unwanted <= UNWANTED_MOST))
            return now < end ? end : now + UNWANTED_FOR; /* an answer is awaited */
        host_free(host);
        return USEC_NEVER;
    }
    for (size_t i = 0; i < FAMILIES; i++)
        if (host->family[i].asked < 0 && host->family[i].due <= now + TOGETHER)
            host_ask(host, &host->family[i]);
    for (size_t i = 0; i < FAMILIES; i++)
        if (host->family[i].asked < 0 && host->family[i].due < next)
            next = host->family[i].due;
    return next;
}

/* What is known */

bool host_is_settled(const struct host *host) {
    return host->family[FAMILY_IPV4].state != FAMILY_UNKNOWN &&
           host->family[FAMILY_IPV6].state != FAMILY_UNKNOWN;
}

bool host_is_absent(const struct host *host) {
    return host->family[FAMILY_IPV4].state == FAMILY_NONE &&
           host->family[FAMILY_IPV6].state == FAMILY_NONE;
}

enum host_trouble host_trouble(const struct host *host) {
    const struct family *v4 = &host->family[FAMILY_IPV4], *v6 = &host->family[FAMILY_IPV6];

    if (v4->state == FAMILY_UNKNOWN || v6->state == FAMILY_UNKNOWN)
        return host->said;
    if (v4->state == FAMILY_FOUND && v6->state != FAMILY_FAILED)
        return HOST_FINE;
    if (v6->state == FAMILY_FOUND && v4->state != FAMILY_FAILED)
        return HOST_FINE;
    if (v4->asked >= 0 || v6->asked >= 0) /* which may fail, too: then one line says both */
        return host->said;
    if (v4->state == FAMILY_FOUND)
        return HOST_IPV6_FAILS;
    if (v6->state == FAMILY_FOUND)
        return HOST_IPV4_FAILS;
    return host_is_absent(host) ? HOST_ABSENT : HOST_FAILS;
}

const char *host_why(const struct host *host) {
    const struct family *v4 = &host->family[FAMILY_IPV4], *v6 = &host->family[FAMILY_IPV6];
    const struct family *first = v4->state == FAMILY_FAILED ? v4 : v6;

    return first->why != NULL ? first->why : v4->why;
}

bool host_add_endpoints(const struct host *host, unsigned port, unsigned priority, unsigned weight,
                        struct endpoints *endpoints) {
    for (size_t kind = 0; kind < FAMILIES; kind++) {
        const struct family *family = &host->family[kind];

        for (size_t i = 0; i < family->n; i++) {
            struct endpoint endpoint = {.priority = priority, .weight = weight > 0 ? weight : 1};

            if (kind == FAMILY_IPV4) {
                endpoint.addr.len = sizeof(endpoint.addr.u.in);
                endpoint.addr.u.in.sin_family = AF_INET;
                endpoint.addr.u.in.sin_port = htons((uint16_t)port);
                memcpy(&endpoint.addr.u.in.sin_addr, family->list[i], 4);
            } else {
                endpoint.addr.len = sizeof(endpoint.addr.u.in6);
                endpoint.addr.u.in6.sin6_family = AF_INET6;
                endpoint.addr.u.in6.sin6_port = htons((uint16_t)port);
                memcpy(&endpoint.addr.u.in6.sin6_addr, family->list[i], 16);
            }
            if (!endpoints_add(endpoints, &endpoint))
                return false;
        }
    }
    return true;
}
