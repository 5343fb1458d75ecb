#include "conn/registry.h"

#include <stdatomic.h>
#include <stddef.h>

#include "conn/conn.h"

#define BATCH 64 /* conns that are referenced at once, to be seen to without the lock */

void registry_init(struct registry *registry) UNCHECKED {
    lock_init(&registry->lock, RANK_LEAF);
    cond_init(&registry->sooner);
    TAILQ_INIT(&registry->conns);
    wheel_init(&registry->reviews, clock_now());
    registry->sleeps_until = 0;
    registry->drain_idle = USEC_NEVER;
    registry->drain_epoch = 0;
    atomic_init(&registry->parks, false);
}

void registry_destroy(struct registry *registry) UNCHECKED {
    CHECK(TAILQ_EMPTY(&registry->conns));
    cond_destroy(&registry->sooner);
    lock_destroy(&registry->lock);
}

void registry_review_at(struct registry *registry, struct conn *conn, usec_t when) {
    wheel_file(&registry->reviews, &conn->review.entry, when);
    if (when < registry->sleeps_until) {
        registry->sleeps_until = 0;
        cond_signal(&registry->sooner);
    }
}

void registry_review_by(struct registry *registry, struct conn *conn, usec_t when) {
    if (wheel_is_later(&conn->review.entry, when))
        registry_review_at(registry, conn, when);
}

struct conn *registry_due(struct registry *registry, usec_t now) {
    struct wheel_entry *entry = wheel_take(&registry->reviews, now);

    if (entry == NULL)
        return NULL;
    return (struct conn *)(void *)((char *)entry - offsetof(struct conn, review.entry));
}

/* By which it is found if the keeper has lost it. */
static void note_in_slot(struct conn *conn, struct hold *hold) {
    if (conn->hold.link != NULL)
        table_note_hold(conn->hold.link->table, conn->hold.slot, hold);
}

void registry_add(struct registry *registry, struct conn *conn) {
    usec_t now = clock_coarse(), next;

    note_in_slot(conn, &conn->hold);
    lock_acquire(&registry->lock);
    TAILQ_INSERT_TAIL(&registry->conns, conn, link);
    registry_review_at(registry, conn, conn_glance(registry, conn, now, &next) ? next : now);
    lock_release(&registry->lock);
}

void registry_remove(struct registry *registry, struct conn *conn) {
    lock_acquire(&registry->lock);
    TAILQ_REMOVE(&registry->conns, conn, link);
    registry_review_at(registry, conn, USEC_NEVER);
    lock_release(&registry->lock);
    note_in_slot(conn, NULL);
}

/* Which conns are meant. */
struct choice {
    const struct member *member; /* NULL: whichever */
    bool unheld;                 /* only those that the keeper of this epoch has not */
    unsigned epoch;
};

/* Epoch 0: by nobody. */
static bool is_conn_held(const struct conn *conn, unsigned epoch) {
    return epoch != 0 && conn->hold.link != NULL && atomic_load(&conn->hold.held) == epoch;
}

usec_t registry_drain_idle(const struct registry *registry, const struct conn *conn) {
    if (registry->drain_idle == USEC_NEVER || !conn->state->options.http ||
        is_conn_held(conn, registry->drain_epoch))
        return USEC_NEVER;
    return registry->drain_idle;
}

void registry_drain(struct registry *registry, usec_t idle, unsigned epoch) {
    usec_t now = clock_now();
    struct conn *conn;

    lock_acquire(&registry->lock);
    registry->drain_idle = idle;
    registry->drain_epoch = epoch;
    TAILQ_FOREACH(conn, &registry->conns, link)
        if (registry_drain_idle(registry, conn) != USEC_NEVER)
            registry_review_by(registry, conn, now);
    lock_release(&registry->lock);
}

static bool is_meant(const struct conn *conn, const struct choice *choice) {
    if (choice->unheld && is_conn_held(conn, choice->epoch))
        return false;
    return choice->member == NULL || conn->member == choice->member;
}

/* The next ones after that one, to which the caller has a reference, or NULL: the first. */
static size_t take_unaborted(struct registry *registry, const struct choice *choice,
                             struct conn *after, struct conn *batch[BATCH]) {
    struct conn *conn;
    size_t n = 0;

    lock_acquire(&registry->lock);
    conn = after != NULL ? TAILQ_NEXT(after, link) : TAILQ_FIRST(&registry->conns);
    for (; conn != NULL && n < BATCH; conn = TAILQ_NEXT(conn, link)) {
        if (is_meant(conn, choice) && !conn->state->aborted && conn_try_ref(conn))
            batch[n++] = conn;
    }
    lock_release(&registry->lock);
    return n;
}

static void abort_chosen(struct registry *registry, const struct choice *choice, enum end end) {
    struct conn *batch[BATCH], *after = NULL;
    size_t n;

    do {
        n = take_unaborted(registry, choice, after, batch);
        if (after != NULL)
            conn_unref(after);
        after = n > 0 ? batch[n - 1] : NULL;
        for (size_t i = 0; i < n; i++) {
            conn_abort(batch[i], end, 0);
            if (batch[i] != after)
                conn_unref(batch[i]);
        }
    } while (after != NULL);
}

void registry_abort(struct registry *registry, const struct member *member, enum end end) {
    const struct choice choice = {.member = member};

    abort_chosen(registry, &choice, end);
}

void registry_abort_unheld(struct registry *registry, unsigned epoch, enum end end) {
    const struct choice choice = {.unheld = true, .epoch = epoch};

    abort_chosen(registry, &choice, end);
}

static bool is_unheld(const struct conn *conn, unsigned epoch) {
    return conn->hold.link != NULL && atomic_load(&conn->hold.held) != epoch &&
           atomic_load(&conn->hold.lost) != epoch;
}

/* The next ones after that one, to which the caller has a reference, or NULL: the first. */
static size_t take_unheld(struct registry *registry, unsigned epoch, struct conn *after,
                          struct conn *batch[BATCH]) {
    struct conn *conn;
    size_t n = 0;

    lock_acquire(&registry->lock);
    conn = after != NULL ? TAILQ_NEXT(after, link) : TAILQ_FIRST(&registry->conns);
    for (; conn != NULL && n < BATCH; conn = TAILQ_NEXT(conn, link)) {
        if (is_unheld(conn, epoch) && conn_try_ref(conn))
            batch[n++] = conn;
    }
    lock_release(&registry->lock);
    return n;
}

void registry_hold_missing(void *arg, unsigned epoch) {
    struct registry *registry = arg;
    struct conn *batch[BATCH], *after = NULL;
    size_t n;
    int r = 0;

    do {
        n = r == 0 ? take_unheld(registry, epoch, after, batch) : 0;
        if (after != NULL)
            conn_unref(after);
        after = n > 0 ? batch[n - 1] : NULL;
        for (size_t i = 0; i < n; i++) {
            if (r == 0)
                r = link_hold_again(&batch[i]->hold, batch[i]->fd);
            if (batch[i] != after)
                conn_unref(batch[i]);
        }
    } while (after != NULL);
}

size_t registry_count_unheld(struct registry *registry, unsigned epoch) {
    const struct conn *conn;
    size_t n = 0;

    lock_acquire(&registry->lock);
    TAILQ_FOREACH(conn, &registry->conns, link)
        n += conn->fd[SIDE_SERVER] >= 0 && !is_conn_held(conn, epoch);
    lock_release(&registry->lock);
    return n;
}
