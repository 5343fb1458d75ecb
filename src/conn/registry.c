#include "conn/registry.h"

#include <stdatomic.h>
#include <stddef.h>

void registry_init(struct registry *registry) UNCHECKED {
    lock_init(&registry->lock, RANK_LEAF);
    cond_init(&registry->sooner);
    TAILQ_INIT(&registry->nodes);
    wheel_init(&registry->reviews, clock_now());
    registry->sleeps_until = 0;
    registry->drain_idle = USEC_NEVER;
    registry->drain_epoch = 0;
    atomic_init(&registry->parks, false);
    atomic_init(&registry->rests, false);
    atomic_init(&registry->drains, false);
}

void registry_destroy(struct registry *registry) UNCHECKED {
    CHECK(TAILQ_EMPTY(&registry->nodes));
    cond_destroy(&registry->sooner);
    lock_destroy(&registry->lock);
}

static void wake_before(struct registry *registry, usec_t when) REQUIRES(registry->lock) {
    if (when >= registry->sleeps_until)
        return;
    registry->sleeps_until = 0;
    cond_signal(&registry->sooner);
}

void registry_wake_by(struct registry *registry, usec_t when) {
    lock_acquire(&registry->lock);
    wake_before(registry, when);
    lock_release(&registry->lock);
}

void registry_review_at(struct registry *registry, struct registry_node *node, usec_t when) {
    wheel_file(&registry->reviews, &node->review, when);
    wake_before(registry, when);
}

void registry_review_by(struct registry *registry, struct registry_node *node, usec_t when) {
    if (wheel_is_later(&node->review, when))
        registry_review_at(registry, node, when);
}

struct registry_node *registry_due(struct registry *registry, usec_t now) {
    struct wheel_entry *entry = wheel_take(&registry->reviews, now);

    if (entry == NULL)
        return NULL;
    return (struct registry_node *)(void *)((char *)entry - offsetof(struct registry_node, review));
}

void registry_add(struct registry *registry, struct registry_node *node, usec_t when) {
    TAILQ_INSERT_TAIL(&registry->nodes, node, entry);
    registry_review_at(registry, node, when);
}

void registry_remove(struct registry *registry, struct registry_node *node) {
    TAILQ_REMOVE(&registry->nodes, node, entry);
    registry_review_at(registry, node, USEC_NEVER);
}
