#include "names/cache_walk.h"

#include "names/host.h"
#include "names/service.h"

#define LOOK_EVERY (20 * USEC_PER_MSEC) /* since each time all that is known is walked */
#define BURST      64 /* queries before answers are read: more overflow a socket's buffer */

void cache_init(struct cache *cache, const struct dns_ops *ops) {
    *cache = (struct cache){.ops = ops};
    TAILQ_INIT(&cache->hosts);
    TAILQ_INIT(&cache->services);
    etc_init(&cache->etc);
}

void cache_free(struct cache *cache) {
    struct service *service;
    struct host *host;

    while ((service = TAILQ_FIRST(&cache->services)) != NULL)
        service_free(service);
    while ((host = TAILQ_FIRST(&cache->hosts)) != NULL)
        host_free(host);
    etc_free(&cache->etc);
}

static void begin_due_lookups(struct cache *cache, usec_t now) {
    struct service *service, *next_service;
    struct host *host, *next_host;
    size_t most = cache->n_asked + BURST;

    cache->next = USEC_NEVER;
    cache->walked = now;
    etc_refresh(&cache->etc);
    for (service = TAILQ_FIRST(&cache->services); service != NULL; service = next_service) {
        next_service = TAILQ_NEXT(service, entry);
        cache_expect(cache, service_go_on(service, now));
    }
    for (host = TAILQ_FIRST(&cache->hosts); host != NULL && cache->n_asked < most;
         host = next_host) {
        next_host = TAILQ_NEXT(host, entry);
        cache_expect(cache, host_go_on(host, now));
    }
    if (cache->n_asked >= most) {
        cache->next = now;
        cache->walked = 0;
    }
}

usec_t cache_go_on(struct cache *cache) {
    usec_t now = clock_now();
    usec_t soonest = cache->walked > 0 ? cache->walked + LOOK_EVERY : 0;

    if (now >= cache->next && now >= soonest)
        begin_due_lookups(cache, now);
    soonest = cache->walked > 0 ? cache->walked + LOOK_EVERY : 0;
    return cache->next > soonest ? cache->next : soonest;
}
