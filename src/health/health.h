/* The checker: one thread that asks servers whether they live.
 *
 * It knows targets (an address and how to check it), but no upstreams, nor what a check is worth.
 * Checks are spread over the interval and run side by side (epoll(7)); none delays another. */
#ifndef HEALTH_HEALTH_H
#define HEALTH_HEALTH_H

#include <stdbool.h>

#include "base/check.h"
#include "health/check_wish.h"

struct health;
struct health_target;

/* NULL: no memory. */
struct health *health_new(void);

/* Ends the thread, and frees all, targets included. NULL is fine. */
void health_free(struct health *health);

/* Starts the thread, once: 0 or -errno. It waits for health_begin. */
int health_start(struct health *health) MUST_USE;

/* Adds a target, but not while health_start runs. NULL: no memory, and release is not called. Any
 * thread. */
struct health_target *health_add(struct health *health, const struct check_wish *wish) MUST_USE;

/* Removes it. Its functions may still be running, or about to; the last is release. Any thread, no
 * leaf lock held. */
void health_remove(struct health *health, struct health_target *target);

/* Some target's checks may be wanted again (check_wish.wanted): those are begun at once. Any
 * thread. */
void health_look_again(struct health *health);

/* Begins with checks. Any thread. */
void health_begin(struct health *health);

/* Ends the thread, if there is one; targets stay, for health_free. */
void health_stop(struct health *health);

/* Ends checks: none is begun or told of any more, but one may just be told. Does not wait. Any
 * thread. */
void health_retire(struct health *health);

#endif
