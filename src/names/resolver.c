#include "names/resolver.h"

#include <errno.h>
#include <stdlib.h>

#include "names/cache_walk.h"

struct resolver *resolver_new(const struct dns_ops *ops) UNCHECKED {
    struct resolver *resolver = calloc(1, sizeof(*resolver));

    if (resolver == NULL)
        return NULL;
    resolver->refs = 1;
    lock_init(&resolver->lock, RANK_LEAF);
    cond_init(&resolver->left);
    TAILQ_INIT(&resolver->coming);
    TAILQ_INIT(&resolver->leaving);
    TAILQ_INIT(&resolver->pending);
    cache_init(&resolver->cache, ops);
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
        resolver->cache.walked = 0;
    }
    while ((names = next_leaving(resolver)) != NULL) {
        names_let_go(names);
        lock_acquire(&resolver->lock);
        names->stage = NAMES_OUT;
        cond_broadcast(&resolver->left);
        lock_release(&resolver->lock);
    }
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
        usec_t next = cache_go_on(&resolver->cache);
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
    cache_free(&resolver->cache);
    cond_destroy(&resolver->left);
    lock_destroy(&resolver->lock);
    free(resolver);
}
