/* Names belong to the resolver's thread once it runs; others only set flags, and wake it. */
#include "upstream/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/stats.h"
#include "base/sync.h"
#include "base/thread.h"

#define TTL_LEAST   USEC_PER_SEC
#define RETRY_FIRST USEC_PER_SEC

struct name {
    LIST_ENTRY(name) link;
    struct names *names;
    struct addr_spec spec;
    usec_t interval;
    names_answer_fn *answered;
    void *arg;
    usec_t due;
    usec_t retry; /* the pause after the next failure */
    bool under_way;
    bool known;   /* there was an answer, in this configuration or the one before */
    bool failing; /* the last lookup failed, and that has been said */
    struct dns_answer last;
};

struct names {
    struct lock lock;
    struct thread thread;
    const struct dns_ops *ops;
    struct dns *dns;
    LIST_HEAD(, name) list;
    bool retired GUARDED, stopping GUARDED;
};

struct names *names_new_with(const struct dns_ops *ops) {
    struct names *names = calloc(1, sizeof(*names));

    if (names == NULL)
        return NULL;
    names->ops = ops;
    lock_init(&names->lock, RANK_LEAF);
    LIST_INIT(&names->list);
    return names;
}

struct names *names_new(void) {
    return names_new_with(&dns_cares);
}

bool names_add(struct names *names, const struct addr_spec *spec, usec_t interval, bool known,
               names_answer_fn *answered, void *arg) {
    struct name *name = calloc(1, sizeof(*name));

    CHECK(!names->thread.running);
    if (name == NULL)
        return false;
    name->names = names;
    name->spec = *spec;
    name->interval = interval;
    name->known = known;
    name->retry = RETRY_FIRST;
    name->answered = answered;
    name->arg = arg;
    LIST_INSERT_HEAD(&names->list, name, link);
    return true;
}

/* Whether both hold the same addresses, in whatever order: DNS servers rotate their answers. */
static bool same_set(const struct dns_answer *a, const struct dns_answer *b) {
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        size_t j = 0;

        while (j < b->n && !addr_equal(&a->places[i].addr, &b->places[j].addr))
            j++;
        if (j == b->n)
            return false;
    }
    return true;
}

static void say_resolved(const struct name *name, const struct dns_answer *answer) {
    char text[ADDR_TEXT_MAX], all[LOG_TEXT_MAX / 2];
    size_t used = 0;

    for (size_t i = 0; i < answer->n && used + 2 < sizeof(all); i++)
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i > 0 ? ", " : "",
                                 addr_format(&answer->places[i].addr, text, sizeof(text)));
    log_msg(MSG_RESOLVED, "The name %s stands for %s.", name->spec.name, all);
}

static void say_failed(const struct name *name, const char *why) {
    log_msg(MSG_RESOLVE_FAILED, "The name %s cannot be looked up: %s. %s", name->spec.name, why,
            name->known ? "The last good addresses stay in use."
                        : "Connections to it fail until it can; it is tried again.");
}

static void take_answer(struct name *name, const struct dns_answer *answer) {
    bool say = name->failing || (name->last.n > 0 && !same_set(&name->last, answer));
    usec_t pause = answer->ttl > TTL_LEAST ? answer->ttl : TTL_LEAST;

    if (say)
        say_resolved(name, answer);
    name->last = *answer;
    name->known = true;
    name->failing = false;
    name->retry = RETRY_FIRST;
    name->due = clock_now() + (pause < name->interval ? pause : name->interval);
}

static void take_failure(struct name *name, const char *why) {
    stats_add(STAT_resolve_failures, 1);
    if (!name->failing)
        say_failed(name, why);
    name->failing = true;
    name->due = clock_now() + (name->retry < name->interval ? name->retry : name->interval);
    name->retry = name->retry < name->interval ? name->retry * 2 : name->interval;
}

static bool is_over(struct names *names) {
    lock_acquire(&names->lock);
    bool over = names->retired || names->stopping;
    lock_release(&names->lock);
    return over;
}

static void on_done(void *arg, const struct dns_answer *answer, const char *why) {
    struct name *name = arg;

    name->under_way = false;
    if (is_over(name->names))
        return; /* it was cancelled, or nobody wants to know any more */
    if (answer != NULL && answer->partial &&
        name->known) { /* rather the whole of before than a part */
        answer = NULL;
        why = "some of its targets could not be looked up";
    }
    if (answer == NULL)
        take_failure(name, why);
    name->answered(name->arg, answer, why);
    if (answer != NULL) /* now, so that what the log says is so already */
        take_answer(name, answer);
}

/* Begins what is due. Returns when the next one will be. */
static usec_t begin_due(struct names *names) {
    usec_t next = USEC_NEVER;
    struct name *name;

    LIST_FOREACH(name, &names->list, link) {
        if (!name->under_way && name->due <= clock_now()) {
            name->under_way = true;
            names->ops->lookup(names->dns, &name->spec, on_done, name);
        }
        if (!name->under_way && name->due < next)
            next = name->due;
    }
    return next;
}

static void resolver_thread(void *arg) {
    struct names *names = arg;

    for (;;) {
        lock_acquire(&names->lock);
        bool stopping = names->stopping, retired = names->retired;
        lock_release(&names->lock);
        if (stopping)
            return;
        names->ops->wait(names->dns, retired ? USEC_NEVER : begin_due(names));
    }
}

int names_start(struct names *names) {
    if (LIST_EMPTY(&names->list))
        return 0;
    names->dns = names->ops->new ();
    if (names->dns == NULL)
        return -ENOMEM;
    return thread_start(&names->thread, "resolver", NULL, resolver_thread, names);
}

static void set_and_wake(struct names *names, bool *flag) {
    lock_acquire(&names->lock);
    *flag = true;
    lock_release(&names->lock);
    if (names->dns != NULL)
        names->ops->wake(names->dns);
}

void names_retire(struct names *names) UNCHECKED {
    set_and_wake(names, &names->retired);
}

void names_free(struct names *names) UNCHECKED {
    struct name *name;

    if (names == NULL)
        return;
    set_and_wake(names, &names->stopping);
    thread_join(&names->thread);
    if (names->dns != NULL)
        names->ops->free(names->dns);
    while ((name = LIST_FIRST(&names->list)) != NULL) {
        LIST_REMOVE(name, link);
        free(name);
    }
    lock_destroy(&names->lock);
    free(names);
}
