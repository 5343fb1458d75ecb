/* All conns, and when each is reviewed next. It knows only nodes, not conns (conn.h); sweep.h walks
 * them.
 *
 * Its lock also guards each conn's state (GUARDED in conn.h), which changes a few times in
 * its life. */
#ifndef CONN_REGISTRY_H
#define CONN_REGISTRY_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/sync.h"
#include "base/wheel.h"

/* Zeroed before it is added. */
struct registry_node {
    TAILQ_ENTRY(registry_node) entry;
    struct wheel_entry review;
};

struct registry {
    struct lock lock;
    TAILQ_HEAD(registry_list, registry_node) nodes GUARDED;
    struct wheel reviews GUARDED; /* the reaper's */
    struct cond sooner;          /* a review is due before sleeps_until, or the reaper is to stop */
    usec_t sleeps_until GUARDED; /* of the reaper; 0: awake */
    /* Conns of mode http end when silent so long (USEC_NEVER: not), */
    usec_t drain_idle GUARDED;
    unsigned drain_epoch GUARDED; /* but those that go on (conn_goes_on); 0: all */
    /* Pumps are to stop. On a cache line of its own: each read and write looks at it. */
    _Alignas(64) _Atomic bool parks;
    _Atomic bool rests;  /* exchanges are to go on in the next process: before `parks` */
    _Atomic bool drains; /* connections of mode http end behind their next answer */
};

void registry_init(struct registry *registry);
void registry_destroy(struct registry *registry); /* must be empty */

/* To be reviewed at that moment. */
void registry_add(struct registry *registry, struct registry_node *node, usec_t when)
    REQUIRES(registry->lock);
void registry_remove(struct registry *registry, struct registry_node *node)
    REQUIRES(registry->lock);

/* In place of the former review. USEC_NEVER: none. */
void registry_review_at(struct registry *registry, struct registry_node *node, usec_t when)
    REQUIRES(registry->lock);

/* By then at the latest. (A review under way files it anew in any case.) */
void registry_review_by(struct registry *registry, struct registry_node *node, usec_t when)
    REQUIRES(registry->lock);

/* For something else that the reaper does: it looks by then at the latest. No leaf lock held. */
void registry_wake_by(struct registry *registry, usec_t when);

/* Takes out one that is due. NULL: none. */
struct registry_node *registry_due(struct registry *registry, usec_t now) REQUIRES(registry->lock);

#endif
