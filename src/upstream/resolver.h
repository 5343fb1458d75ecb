/* Names to addresses, by a thread of its own: workers take the answer that is there.
 *
 * Each name is looked up at once and again every interval. While lookups fail the last good
 * addresses stay in use, and the name is tried again after 1 s, doubling up to the interval. Only
 * who comes before the first answer waits, and no longer than its own deadline. */
#ifndef UPSTREAM_RESOLVER_H
#define UPSTREAM_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/clock.h"

/* Addresses of one name, immutable and counted: hold it while you dial. */
struct addr_list {
    _Atomic unsigned refs;
    size_t n;
    struct addr addrs[];
};

/* A list of n copied addresses with one reference, or NULL: no memory. */
struct addr_list *addr_list_new(const struct addr *addrs, size_t n);
struct addr_list *addr_list_ref(struct addr_list *list);
void addr_list_unref(struct addr_list *list); /* NULL is fine */

/* How a name is looked up: fills *ret_list (NULL on failure) and returns NULL, or the reason in
 * words. A function pointer, so that a test can stand in for DNS. May block for long. */
typedef const char *resolver_lookup_fn(const char *host, unsigned port,
                                       struct addr_list **ret_list);

/* getaddrinfo(3), both families, in the order of RFC 6724. */
const char *resolver_lookup_libc(const char *host, unsigned port, struct addr_list **ret_list);

struct resolver;
struct resolver_name;

enum resolver_outcome {
    RESOLVER_OK = 0,
    RESOLVER_NO_ADDRESS, /* looked up, never with success */
    RESOLVER_TIMEOUT,    /* the first answer is not there yet */
    RESOLVER_STOPPED,    /* nor will it be: resolver_cancel */
};

/* NULL: no memory. Free after resolver_stop. */
struct resolver *resolver_new(resolver_lookup_fn *lookup);
void resolver_free(struct resolver *resolver);

/* Adds a name, before resolver_start. The resolver owns it; host is copied. known: addresses to go on with until the
 * first lookup, whose reference is taken over, or NULL. NULL: no memory. */
struct resolver_name *resolver_add(struct resolver *resolver, const char *host, unsigned port,
                                   usec_t interval, struct addr_list *known);

/* The last good addresses of a name, with a reference for the caller; NULL: none yet. Any thread. */
struct addr_list *resolver_known(struct resolver *resolver, struct resolver_name *name);

/* Starts the thread, if there is any name. 0 or -errno. */
int resolver_start(struct resolver *resolver) MUST_USE;

/* Begins the stop: whoever waits for a first answer is sent away. Any thread. */
void resolver_cancel(struct resolver *resolver);

/* Ends the thread. libc offers no way to cut a lookup short, so it is waited for until the deadline: false means that
 * the thread is still in it and the resolver must not be freed yet; try again. */
bool resolver_stop(struct resolver *resolver, usec_t deadline) MUST_USE;

/* The name's addresses, with a reference for the caller. Waits only for the first answer, until the
 * deadline. Any thread, no leaf lock held. */
enum resolver_outcome resolver_get(struct resolver *resolver, struct resolver_name *name,
                                   usec_t deadline, struct addr_list **ret_list) MUST_USE;

#endif
