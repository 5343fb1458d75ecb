/* All that is registered, and when each is to be reviewed next. It knows of nodes alone, not what
 * they are part of (conn.h); who walks them all is in sweep.h.
 *
 * Its lock also guards the state of each conn (the GUARDED members in conn.h): what changes it
 * happens a few times in the life of a connection. */
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
    struct wheel reviews GUARDED; /* when the reaper looks at each next */
    struct cond sooner;           /* it is to look sooner than it sleeps for, or to stop */
    usec_t sleeps_until GUARDED;  /* 0: it does not sleep */
    /* Conns of mode http that are silent for so long end (USEC_NEVER: none does), */
    usec_t drain_idle GUARDED;
    unsigned drain_epoch GUARDED; /* but for those that the keeper of this epoch holds; 0: all */
    /* Pumps come to a halt. (On a cache line of its own: each read and write looks at it.) */
    _Alignas(64) _Atomic bool parks;
};

void registry_init(struct registry *registry);
void registry_destroy(struct registry *registry); /* must be empty */

/* Adds a node, to be reviewed at that moment. */
void registry_add(struct registry *registry, struct registry_node *node, usec_t when)
    REQUIRES(registry->lock);
void registry_remove(struct registry *registry, struct registry_node *node)
    REQUIRES(registry->lock);

/* Files the next review, instead of the one that was filed. USEC_NEVER: none. */
void registry_review_at(struct registry *registry, struct registry_node *node, usec_t when)
    REQUIRES(registry->lock);

/* It has changed so that it is to be reviewed by then. (One that is being reviewed is filed anew in
 * any case.) */
void registry_review_by(struct registry *registry, struct registry_node *node, usec_t when)
    REQUIRES(registry->lock);

/* Takes out one whose review is due. NULL: there is none. */
struct registry_node *registry_due(struct registry *registry, usec_t now) REQUIRES(registry->lock);

#endif
