/* The names of one configuration, and the thread that looks them up: at once, and again when their TTL is over. */
#ifndef UPSTREAM_NAMES_H
#define UPSTREAM_NAMES_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/clock.h"
#include "upstream/dns.h"

/* Called by the resolver's thread, without a lock, after each lookup: the answer, or NULL and why there is none, in
 * words. Both are valid during the call. */
typedef void names_answer_fn(void *arg, const struct dns_answer *answer, const char *why);

struct names;

/* NULL: no memory. ops: the way to DNS (names_new: c-ares). */
struct names *names_new(void);
struct names *names_new_with(const struct dns_ops *ops);

/* Adds a name (ADDR_NAME or ADDR_SRV), before names_start. It is looked up at once, and again when its TTL is over, not
 * before 1 s and not later than interval. While lookups fail it is tried again after 1 s, doubling up to the interval.
 * known: there are addresses of it to go on with until then. False: no memory. */
bool names_add(struct names *names, const struct addr_spec *spec, usec_t interval, bool known,
               names_answer_fn *answered, void *arg) MUST_USE;

/* Starts the thread, if there is any name: 0 or -errno. */
int names_start(struct names *names) MUST_USE;

/* No answer is told any more, but for one that is being told at this moment, and no lookup begun. Does not wait. Any
 * thread. */
void names_retire(struct names *names);

/* Cancels what is under way, ends the thread and frees all. NULL is fine. */
void names_free(struct names *names);

#endif
