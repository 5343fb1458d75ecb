#include "upstream/resolver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/stats.h"
#include "base/sync.h"
#include "base/thread.h"

#define RETRY_FIRST USEC_PER_SEC

struct resolver_name {
    LIST_ENTRY(resolver_name) link;
    char host[ADDR_NAME_MAX];
    unsigned port;
    usec_t interval;
    /* Under the resolver's lock: */
    usec_t due GUARDED;
    usec_t retry GUARDED;           /* the pause after the next failure */
    bool looked_up GUARDED;         /* at least once, with whatever outcome */
    bool failing GUARDED;           /* the last lookup failed, and that has been said */
    struct addr_list *list GUARDED; /* NULL until the first success */
};

struct resolver {
    struct lock lock;
    struct cond changed; /* a first answer has come, or stop */
    struct thread thread;
    resolver_lookup_fn *lookup;
    LIST_HEAD(, resolver_name) names;
    bool stop GUARDED;
};

struct resolver *resolver_new(resolver_lookup_fn *lookup) {
    struct resolver *resolver = calloc(1, sizeof(*resolver));

    if (resolver == NULL)
        return NULL;
    lock_init(&resolver->lock, RANK_LEAF);
    cond_init(&resolver->changed);
    resolver->lookup = lookup;
    LIST_INIT(&resolver->names);
    return resolver;
}

/* Here and in resolver_add there is no thread yet, or no more: no lock is needed. */
void resolver_free(struct resolver *resolver) UNCHECKED {
    struct resolver_name *name;

    if (resolver == NULL)
        return;
    CHECK(!resolver->thread.running);
    while ((name = LIST_FIRST(&resolver->names)) != NULL) {
        LIST_REMOVE(name, link);
        addr_list_unref(name->list);
        free(name);
    }
    cond_destroy(&resolver->changed);
    lock_destroy(&resolver->lock);
    free(resolver);
}

struct resolver_name *resolver_add(struct resolver *resolver, const char *host, unsigned port,
                                   usec_t interval, struct addr_list *known) UNCHECKED {
    struct resolver_name *name = calloc(1, sizeof(*name));

    CHECK(!resolver->thread.running);
    if (name == NULL) {
        addr_list_unref(known);
        return NULL;
    }
    snprintf(name->host, sizeof(name->host), "%s", host);
    name->port = port;
    name->interval = interval;
    name->retry = RETRY_FIRST;
    name->list = known;
    name->looked_up = known != NULL;
    LIST_INSERT_HEAD(&resolver->names, name, link);
    return name;
}

/* Whether both hold the same addresses, in whatever order: DNS servers rotate their answers. */
static bool same_set(const struct addr_list *a, const struct addr_list *b) {
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        size_t j = 0;

        while (j < b->n && !addr_equal(&a->addrs[i], &b->addrs[j]))
            j++;
        if (j == b->n)
            return false;
    }
    return true;
}

static void say_resolved(const struct resolver_name *name, const struct addr_list *list) {
    char text[ADDR_TEXT_MAX], all[LOG_TEXT_MAX / 2];
    size_t used = 0;

    for (size_t i = 0; i < list->n && used + 2 < sizeof(all); i++)
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i > 0 ? ", " : "",
                                 addr_format(&list->addrs[i], text, sizeof(text)));
    log_msg(MSG_RESOLVED, "The name %s stands for %s.", name->host, all);
}

static void say_failed(const struct resolver_name *name, const char *why, bool has_list) {
    log_msg(MSG_RESOLVE_FAILED, "The name %s cannot be looked up: %s. %s", name->host, why,
            has_list ? "The last good addresses stay in use."
                     : "Connections to it fail until it can; it is tried again.");
}

/* Takes in an answer: list (the reference is taken over) or, if it is NULL, why there is none. */
static void take_answer(struct resolver *resolver, struct resolver_name *name,
                        struct addr_list *list, const char *why) {
    struct addr_list *old = NULL;
    bool say, has_list;

    lock_acquire(&resolver->lock);
    if (list != NULL) {
        say = name->failing || (name->list != NULL && !same_set(name->list, list));
        old = name->list;
        name->list = addr_list_ref(list);
        name->failing = false;
        name->retry = RETRY_FIRST;
        name->due = clock_now() + name->interval;
    } else {
        say = !name->failing;
        name->failing = true;
        name->due = clock_now() + (name->retry < name->interval ? name->retry : name->interval);
        name->retry = name->retry < name->interval ? name->retry * 2 : name->interval;
    }
    has_list = name->list != NULL;
    say = say && !resolver->stop; /* the log may be going, too */
    name->looked_up = true;
    cond_broadcast(&resolver->changed);
    lock_release(&resolver->lock);

    addr_list_unref(old);
    if (list == NULL)
        stats_add(STAT_resolve_failures, 1);
    if (say && list != NULL)
        say_resolved(name, list);
    else if (say)
        say_failed(name, why, has_list);
    addr_list_unref(list);
}

static struct resolver_name *next_due(struct resolver *resolver) REQUIRES(resolver->lock) {
    struct resolver_name *name, *first = LIST_FIRST(&resolver->names);

    CHECK(first != NULL); /* resolver_start starts no thread without a name */
    LIST_FOREACH(name, &resolver->names, link)
    if (name->due < first->due)
        first = name;
    return first;
}

static void resolver_thread(void *arg) {
    struct resolver *resolver = arg;

    lock_acquire(&resolver->lock);
    while (!resolver->stop) {
        struct resolver_name *name = next_due(resolver);

        if (name->due > clock_now()) {
            cond_wait_until(&resolver->changed, &resolver->lock, name->due);
            continue;
        }
        lock_release(&resolver->lock);
        struct addr_list *list;
        const char *why = resolver->lookup(name->host, name->port, &list);
        take_answer(resolver, name, list, why);
        lock_acquire(&resolver->lock);
    }
    lock_release(&resolver->lock);
}

int resolver_start(struct resolver *resolver) {
    if (LIST_EMPTY(&resolver->names))
        return 0;
    return thread_start(&resolver->thread, "resolver", NULL, resolver_thread, resolver);
}

void resolver_cancel(struct resolver *resolver) {
    lock_acquire(&resolver->lock);
    resolver->stop = true;
    cond_broadcast(&resolver->changed);
    lock_release(&resolver->lock);
}

bool resolver_stop(struct resolver *resolver, usec_t deadline) {
    resolver_cancel(resolver);
    return thread_interrupt_join_until(&resolver->thread, deadline);
}

struct addr_list *resolver_known(struct resolver *resolver, struct resolver_name *name) {
    lock_acquire(&resolver->lock);
    struct addr_list *list = name->list != NULL ? addr_list_ref(name->list) : NULL;
    lock_release(&resolver->lock);
    return list;
}

enum resolver_outcome resolver_get(struct resolver *resolver, struct resolver_name *name,
                                   usec_t deadline, struct addr_list **ret_list) {
    enum resolver_outcome outcome = RESOLVER_OK;
    bool in_time = true;

    lock_acquire(&resolver->lock);
    while (!name->looked_up && !resolver->stop && in_time)
        in_time = cond_wait_until(&resolver->changed, &resolver->lock, deadline);
    if (name->list != NULL)
        *ret_list = addr_list_ref(name->list);
    else if (name->looked_up)
        outcome = RESOLVER_NO_ADDRESS;
    else
        outcome = resolver->stop ? RESOLVER_STOPPED : RESOLVER_TIMEOUT;
    lock_release(&resolver->lock);
    return outcome;
}
