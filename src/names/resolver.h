/* One thread looks up the names of all configurations, again after their TTL. It outlives reloads,
 * and so does what it knows.
 *
 * whose_names: names are handed to the thread (resolver_join) and taken back (resolver_leave) as a
 * whole; in between they, and all hosts and services, are its alone. */
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
    struct cache cache; /* this and below: the thread's */
    struct name_list pending;
};

/* With one reference; references are main's. NULL: no memory. */
struct resolver *resolver_new(const struct dns_ops *ops);
struct resolver *resolver_ref(struct resolver *resolver);

/* The last one cancels lookups and ends the thread. NULL is fine. */
void resolver_unref(struct resolver *resolver);

/* Hands names over, if there are any, and starts the thread if need be: 0 or -errno. Main. */
int resolver_join(struct resolver *resolver, struct names *names) MUST_USE;

/* Takes them back; their listeners are not called any more. NULLs are fine. Main. */
void resolver_leave(struct resolver *resolver, struct names *names);

#endif
