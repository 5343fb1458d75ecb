/* The resolver: one thread for the process, which looks up the names of every configuration, at
 * once and again when their TTL is over. It outlives reloads, so what is known of a name does, too.
 *
 * whose_names: the names of a configuration are handed to the thread as a whole (resolver_join) and
 * taken back as a whole (resolver_leave); in between they, and all hosts and services, are the
 * thread's alone. */
#ifndef NAMES_RESOLVER_H
#define NAMES_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/sync.h"
#include "base/thread.h"
#include "names/cache.h"
#include "names/names.h"

struct resolver {
    unsigned refs; /* main's */
    struct thread thread;
    struct lock lock;
    struct cond left;
    TAILQ_HEAD(, names) coming GUARDED, leaving GUARDED;
    bool stop GUARDED;
    struct cache cache; /* the thread's, as what follows */
    struct name_list pending;
    usec_t walked; /* the last time that all was looked through for what is due */
};

/* NULL: no memory. With one reference; references are main's to give and take. */
struct resolver *resolver_new(const struct dns_ops *ops);
struct resolver *resolver_ref(struct resolver *resolver);

/* The last reference ends the thread, and cancels what is under way. NULL is fine. */
void resolver_unref(struct resolver *resolver);

/* Hands names over, if there are any, and starts the thread if it does not run: 0 or -errno.
 * Main. */
int resolver_join(struct resolver *resolver, struct names *names) MUST_USE;

/* Takes them back: when it returns, none of their functions is running, or will be called. NULLs
 * are fine. Main. */
void resolver_leave(struct resolver *resolver, struct names *names);

#endif
