#include "names/resolver.h"

#include <errno.h>
#include <stdlib.h>

#include "names/host.h"
#include "names/service.h"

#define LOOK_EVERY (20 * USEC_PER_MSEC) /* since each time all that is known is walked */
#define BURST      32 /* hosts asked before answers are read: more overflow a socket's buffer */

struct resolver *resolver_new(const struct dns_ops *ops) UNCHECKED {
    struct resolver *resolver = calloc(1, sizeof(*resolver));

    if (resolver == NULL)
        return NULL;
    resolver->cache.ops = ops;
    resolver->refs = 1;
    lock_init(&resolver->lock, RANK_LEAF);
    cond_init(&resolver->left);
    TAILQ_INIT(&resolver->coming);
    TAILQ_INIT(&resolver->leaving);
    TAILQ_INIT(&resolver->cache.hosts);
    TAILQ_INIT(&resolver->cache.services);
    TAILQ_INIT(&resolver->pending);
    etc_init(&resolver->cache.etc);
    return resolver;
}

struct resolver *resolver_ref(struct resolver *resolver) {
    resolver->refs++;
    return resolver;
}

static struct names *next_coming(struct resolver *resolver) {
    lock_acquire(&resolver->lock);
    struct names *names = TAILQ_FIRST(&resolver->coming);
    if (names != NULL) {
        TAILQ_REMOVE(&resolver->coming, names, entry);
        names->stage = NAMES_IN;
    }
    lock_release(&resolver->lock);
    return names;
}

static struct names *next_leaving(struct resolver *resolver) {
    lock_acquire(&resolver->lock);
    struct names *names = TAILQ_FIRST(&resolver->leaving);
    if (names != NULL)
        TAILQ_REMOVE(&resolver->leaving, names, entry);
    lock_release(&resolver->lock);
    return names;
}

static void take_turns(struct resolver *resolver) {
    struct names *names;

    while ((names = next_coming(resolver)) != NULL) {
        names_take_in(names, &resolver->cache, &resolver->pending);
        resolver->walked = 0;
    }
    while ((names = next_leaving(resolver)) != NULL) {
        names_let_go(names);
        lock_acquire(&resolver->lock);
        names->stage = NAMES_OUT;
        cond_broadcast(&resolver->left);
        lock_release(&resolver->lock);
    }
}

/* Begins what is due, BURST at a time. */
static void begin_due_lookups(struct resolver *resolver, usec_t now) {
    struct service *service, *next_service;
    struct host *host, *next_host;
    struct cache *cache = &resolver->cache;
    size_t begun = 0;

    cache->next = USEC_NEVER;
    resolver->walked = now;
    etc_refresh(&cache->etc);
    for (service = TAILQ_FIRST(&cache->services); service != NULL; service = next_service) {
        next_service = TAILQ_NEXT(service, entry);
        cache_expect(cache, service_go_on(service, now));
    }
    for (host = TAILQ_FIRST(&cache->hosts); host != NULL && begun < BURST; host = next_host) {
        next_host = TAILQ_NEXT(host, entry);
        usec_t due = host_go_on(host, now);

        begun += due == USEC_NEVER; /* or it was freed */
        cache_expect(cache, due);
    }
    if (begun == BURST) {
        cache->next = now;
        resolver->walked = 0;
    }
}

/* Returns when to go on. */
static usec_t begin_due(struct resolver *resolver) {
    usec_t now = clock_now();
    usec_t soonest = resolver->walked > 0 ? resolver->walked + LOOK_EVERY : 0;

    if (now >= resolver->cache.next && now >= soonest)
        begin_due_lookups(resolver, now);
    soonest = resolver->walked > 0 ? resolver->walked + LOOK_EVERY : 0;
    return resolver->cache.next > soonest ? resolver->cache.next : soonest;
}

static void resolver_thread(void *arg) {
    struct resolver *resolver = arg;

    for (;;) {
        lock_acquire(&resolver->lock);
        bool stop = resolver->stop;
        lock_release(&resolver->lock);
        if (stop)
            return;
        take_turns(resolver);
        usec_t next = begin_due(resolver);
        names_tell(&resolver->pending); /* what was answered at once, as by /etc/hosts */
        resolver->cache.ops->wait(resolver->cache.dns, next);
        names_tell(&resolver->pending);
    }
}

int resolver_join(struct resolver *resolver, struct names *names) {
    int r = 0;

    if (TAILQ_EMPTY(&names->list))
        return 0;
    if (resolver->cache.dns == NULL)
        resolver->cache.dns = resolver->cache.ops->new ();
    if (resolver->cache.dns == NULL)
        return -ENOMEM;
    if (!resolver->thread.running)
        r = thread_start(&resolver->thread, "resolver", NULL, resolver_thread, resolver);
    if (r < 0)
        return r;
    lock_acquire(&resolver->lock);
    TAILQ_INSERT_TAIL(&resolver->coming, names, entry);
    names->stage = NAMES_COMING;
    lock_release(&resolver->lock);
    resolver->cache.ops->wake(resolver->cache.dns);
    return 0;
}

/* Quick: the thread blocks only on its sockets, and is woken. */
void resolver_leave(struct resolver *resolver, struct names *names) {
    if (resolver == NULL || names == NULL)
        return;
    lock_acquire(&resolver->lock);
    bool is_in = names->stage == NAMES_IN;
    if (is_in)
        TAILQ_INSERT_TAIL(&resolver->leaving, names, entry);
    if (names->stage == NAMES_COMING) {
        TAILQ_REMOVE(&resolver->coming, names, entry);
        names->stage = NAMES_OUT;
    }
    lock_release(&resolver->lock);
    if (!is_in)
        return;
    resolver->cache.ops->wake(resolver->cache.dns);
    lock_acquire(&resolver->lock);
    while (names->stage != NAMES_OUT)
        cond_wait(&resolver->left, &resolver->lock);
    lock_release(&resolver->lock);
}

void resolver_unref(struct resolver *resolver) UNCHECKED {
    struct service *service;
    struct host *host;

    if (resolver == NULL || --resolver->refs > 0)
        return;
    lock_acquire(&resolver->lock);
    resolver->stop = true;
    lock_release(&resolver->lock);
    if (resolver->cache.dns != NULL)
        resolver->cache.ops->wake(resolver->cache.dns);
    thread_join(&resolver->thread);
    resolver->cache.stopping = true;
    if (resolver->cache.dns != NULL)
        resolver->cache.ops->free(resolver->cache.dns);
    while ((service = TAILQ_FIRST(&resolver->cache.services)) != NULL)
        service_free(service);
    while ((host = TAILQ_FIRST(&resolver->cache.hosts)) != NULL)
        host_free(host);
    etc_free(&resolver->cache.etc);
    cond_destroy(&resolver->left);
    lock_destroy(&resolver->lock);
    free(resolver);
}
