#include "relay/registry.h"

#include "relay/conn.h"

#define BATCH 64 /* conns that are referenced at once, to be aborted without the lock */

void registry_init(struct registry *registry) UNCHECKED {
    lock_init(&registry->lock, RANK_LEAF);
    cond_init(&registry->changed);
    TAILQ_INIT(&registry->conns);
    registry->asleep = false;
}

void registry_destroy(struct registry *registry) UNCHECKED {
    CHECK(TAILQ_EMPTY(&registry->conns));
    cond_destroy(&registry->changed);
    lock_destroy(&registry->lock);
}

void registry_add(struct registry *registry, struct conn *conn) {
    lock_acquire(&registry->lock);
    TAILQ_INSERT_TAIL(&registry->conns, conn, link);
    if (registry->asleep) {
        registry->asleep = false;
        cond_signal(&registry->changed);
    }
    lock_release(&registry->lock);
}

void registry_remove(struct registry *registry, struct conn *conn) {
    lock_acquire(&registry->lock);
    TAILQ_REMOVE(&registry->conns, conn, link);
    lock_release(&registry->lock);
}

static size_t take_unaborted(struct registry *registry, const struct member *member,
                             struct conn *batch[BATCH]) {
    struct conn *conn;
    size_t n = 0;

    lock_acquire(&registry->lock);
    TAILQ_FOREACH(conn, &registry->conns, link) {
        if (n == BATCH)
            break;
        if ((member == NULL || conn->member == member) && !conn->state->aborted && conn_try_ref(conn))
            batch[n++] = conn;
    }
    lock_release(&registry->lock);
    return n;
}

void registry_abort(struct registry *registry, const struct member *member, enum end end) {
    struct conn *batch[BATCH];
    size_t n;

    while ((n = take_unaborted(registry, member, batch)) > 0) {
        for (size_t i = 0; i < n; i++) {
            conn_abort(batch[i], end, 0);
            conn_unref(batch[i]);
        }
    }
}
