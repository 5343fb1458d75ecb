/* The checker: one thread that asks servers whether they live.
 *
 * It knows targets (an address and how to check it), nothing of upstreams, nor what a check is
 * worth. Checks are spread over the interval, run side by side (non-blocking sockets and poll(2),
 * in this one thread), and none delays another. */
#ifndef HEALTH_HEALTH_H
#define HEALTH_HEALTH_H

#include <stdbool.h>

#include "base/check.h"
#include "health/check_wish.h"

struct health;
struct health_target;

/* NULL: no memory. */
struct health *health_new(void);

/* Ends the thread at once and frees all, targets included. NULL is fine. */
void health_free(struct health *health);

/* Starts the thread: 0 or -errno. Once. It begins with checks at health_begin. */
int health_start(struct health *health) MUST_USE;

/* Adds a target, before or after the start (but not while health_start runs). NULL: no memory, and
 * release is not called. Any thread. */
struct health_target *health_add(struct health *health, const struct check_wish *wish) MUST_USE;

/* Removes it. Its callbacks may still be running or about to; the last is release. Any thread, no
 * leaf lock held. */
void health_remove(struct health *health, struct health_target *target);

/* From now on targets are checked; before that the thread only waits. Any thread. */
void health_begin(struct health *health);

/* Ends the thread at once; targets stay, for health_free. Once more, or without a start, it does
 * nothing. */
void health_stop(struct health *health);

/* No check is begun and none is told of any more, for instance because a newer configuration is in
 * force. Does not wait: one may be on its way to be told at this moment. Any thread. */
void health_retire(struct health *health);

#endif
