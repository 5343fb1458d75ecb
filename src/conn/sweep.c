#include "conn/sweep.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "conn/conn.h"

#define BATCH 64  /* conns referenced at once, to be visited without the lock */
#define SLICE 256 /* conns looked at in one go under the lock, which the road needs, too */

/* Which conns are meant, and what is done with each. */
struct sweep {
    /* Under the lock. */
    bool (*wants)(const struct sweep *sweep, const struct conn *conn);
    /* With a reference, without the lock. False: that is enough. */
    bool (*visit)(const struct sweep *sweep, struct conn *conn);
    const struct member *member;   /* NULL: whichever */
    const char *upstream, *server; /* names */
    unsigned epoch;                /* of the keeper */
    uint64_t number;               /* of the one that is looked for */
    enum end end;
    void (*each)(void *arg, struct conn *conn);
    void *arg; /* of who sweeps */
};

/* Those that are wanted of the next SLICE conns after `after`, which the caller has a reference to;
 * NULL: from the first. Returns the one to go on after, with a reference of its own; NULL: none is
 * left, nor was any wanted of the last ones. */
static struct conn *take_next_conns(struct registry *registry, const struct sweep *sweep,
                                    const struct conn *after, struct conn *batch[BATCH],
                                    size_t *ret_n) {
    struct registry_node *node;
    struct conn *last = NULL;
    size_t n = 0, looked = 0;

    lock_acquire(&registry->lock);
    node = after != NULL ? TAILQ_NEXT(&after->node, entry) : TAILQ_FIRST(&registry->nodes);
    for (; node != NULL && last == NULL; node = TAILQ_NEXT(node, entry)) {
        struct conn *conn = conn_of(node);

        if (sweep->wants(sweep, conn) && conn_try_ref(conn))
            batch[n++] = conn;
        if ((++looked >= SLICE || n == BATCH) && conn_try_ref(conn))
            last = conn;
    }
    lock_release(&registry->lock);
    if (last == NULL && n > 0) { /* more may come while these are visited */
        last = batch[n - 1];
        conn_ref(last);
    }
    *ret_n = n;
    return last;
}

static void sweep_conns(struct registry *registry, const struct sweep *sweep) {
    struct conn *batch[BATCH], *after = NULL;
    bool goes_on = true;
    size_t n;

    do {
        struct conn *last = take_next_conns(registry, sweep, after, batch, &n);

        if (after != NULL)
            conn_unref(after);
        after = last;
        for (size_t i = 0; i < n; i++) {
            goes_on = goes_on && sweep->visit(sweep, batch[i]);
            conn_unref(batch[i]);
        }
    } while (goes_on && after != NULL);
    if (after != NULL)
        conn_unref(after);
}

void sweep_drain(struct registry *registry, usec_t idle, unsigned epoch) {
    usec_t now = clock_now();
    struct registry_node *node;

    lock_acquire(&registry->lock);
    registry->drain_idle = idle;
    registry->drain_epoch = epoch;
    atomic_store(&registry->drains, true);
    TAILQ_FOREACH(node, &registry->nodes, entry)
        if (conn_drain_idle(registry, conn_of(node)) != USEC_NEVER)
            registry_review_by(registry, node, now);
    lock_release(&registry->lock);
}

static bool leads_to_member(const struct sweep *sweep, const struct conn *conn) UNCHECKED {
    return !conn->state->aborted && (sweep->member == NULL || conn->member == sweep->member);
}

static bool leads_to_server(const struct sweep *sweep, const struct conn *conn) UNCHECKED {
    return !conn->state->aborted && conn->member != NULL &&
           strcmp(conn->member->server, sweep->server) == 0 &&
           strcmp(conn->member->upstream, sweep->upstream) == 0;
}

static bool is_without_keeper(const struct sweep *sweep, const struct conn *conn) UNCHECKED {
    return !conn->state->aborted && !conn_goes_on(conn, sweep->epoch);
}

static bool abort_one(const struct sweep *sweep, struct conn *conn) {
    conn_abort(conn, sweep->end, 0);
    return true;
}

/* Its client is only told if that waits for the server. */
static bool take_server(const struct sweep *sweep, struct conn *conn) {
    if (!conn_gives_server(conn))
        conn_abort(conn, sweep->end, 0);
    return true;
}

void sweep_abort(struct registry *registry, const struct member *member, enum end end) {
    const struct sweep sweep = {.wants = leads_to_member,
                                .visit = member != NULL ? take_server : abort_one,
                                .member = member,
                                .end = end};

    sweep_conns(registry, &sweep);
}

void sweep_abort_server(struct registry *registry, const char *upstream, const char *server,
                        enum end end) {
    const struct sweep sweep = {.wants = leads_to_server,
                                .visit = take_server,
                                .upstream = upstream,
                                .server = server,
                                .end = end};

    sweep_conns(registry, &sweep);
}

void sweep_abort_unheld(struct registry *registry, unsigned epoch, enum end end) {
    const struct sweep sweep = {
        .wants = is_without_keeper, .visit = abort_one, .epoch = epoch, .end = end};

    sweep_conns(registry, &sweep);
}

/* It has a slot, and this keeper has neither got nor lost it. */
static bool is_missing(const struct sweep *sweep, const struct conn *conn) {
    return conn->hold.link != NULL && atomic_load(&conn->hold.held) != sweep->epoch &&
           atomic_load(&conn->hold.lost) != sweep->epoch;
}

static bool hold_one(const struct sweep *sweep, struct conn *conn) {
    (void)sweep;
    return link_hold_again(&conn->hold, conn->fd) == 0;
}

void sweep_hold_missing(void *registry, unsigned epoch) {
    const struct sweep sweep = {.wants = is_missing, .visit = hold_one, .epoch = epoch};

    sweep_conns(registry, &sweep);
}

/* A refused client has no server. */
static bool is_relayed(const struct conn *conn) {
    return conn->fd[SIDE_SERVER] >= 0;
}

static bool is_unheld(const struct conn *conn, unsigned epoch) {
    return is_relayed(conn) && !conn_goes_on(conn, epoch);
}

/* Looks, and wants none. */
static bool add_up_conn(const struct sweep *sweep, const struct conn *conn) {
    struct sweep_sum *sum = sweep->arg;

    for (int dir = 0; dir < 2; dir++)
        sum->bytes[dir] +=
            atomic_load_explicit(&conn->state->flow[dir].bytes, memory_order_relaxed);
    sum->n += is_relayed(conn);
    sum->unheld += is_unheld(conn, sweep->epoch);
    return false;
}

void sweep_add_up(struct registry *registry, unsigned epoch, struct sweep_sum *ret_sum) {
    const struct sweep sweep = {.wants = add_up_conn, .epoch = epoch, .arg = ret_sum};

    *ret_sum = (struct sweep_sum){0};
    sweep_conns(registry, &sweep);
}

size_t sweep_count_unheld(struct registry *registry, unsigned epoch) {
    struct sweep_sum sum;

    sweep_add_up(registry, epoch, &sum);
    return sum.unheld;
}

static bool is_whichever(const struct sweep *sweep, const struct conn *conn) {
    (void)sweep;
    (void)conn;
    return true;
}

/* Looks, and wants none. */
static bool count_exchange(const struct sweep *sweep, const struct conn *conn) {
    size_t *n = sweep->arg;

    *n += atomic_load(&conn->wait.soonest) != 0 && !atomic_load(&conn->over);
    return false;
}

size_t sweep_count_exchanges(struct registry *registry) {
    size_t n = 0;
    const struct sweep sweep = {.wants = count_exchange, .arg = &n};

    sweep_conns(registry, &sweep);
    return n;
}

static bool wake_one(const struct sweep *sweep, struct conn *conn) {
    (void)sweep;
    event_bump(&conn->event);
    return true;
}

/* All in one go: none may come to be that does not go on while this looks for them. */
static bool begin_rest(struct registry *registry, unsigned epoch, bool forced) {
    const struct registry_node *node;
    bool all_go_on = true;

    lock_acquire(&registry->lock);
    TAILQ_FOREACH(node, &registry->nodes, entry)
        all_go_on = all_go_on && !is_unheld(conn_of(node), epoch);
    if (all_go_on || forced)
        atomic_store(&registry->rests, true);
    lock_release(&registry->lock);
    return all_go_on || forced;
}

bool sweep_to_rest(struct registry *registry, unsigned epoch, bool forced) {
    const struct sweep all = {.wants = is_whichever, .visit = wake_one};
    bool begun = begin_rest(registry, epoch, forced);

    if (begun)
        sweep_conns(registry, &all);
    return begun;
}

static bool visit_one(const struct sweep *sweep, struct conn *conn) {
    sweep->each(sweep->arg, conn);
    return true;
}

void sweep_visit(struct registry *registry, void (*visit)(void *arg, struct conn *conn),
                 void *arg) {
    const struct sweep sweep = {
        .wants = is_whichever, .visit = visit_one, .each = visit, .arg = arg};

    sweep_conns(registry, &sweep);
}

static bool has_number(const struct sweep *sweep, const struct conn *conn) {
    return conn->state->record.number == sweep->number;
}

static bool keep_found(const struct sweep *sweep, struct conn *conn) {
    conn_ref(conn);
    *(struct conn **)sweep->arg = conn;
    return false;
}

struct conn *sweep_find(struct registry *registry, uint64_t number) {
    struct conn *found = NULL;
    const struct sweep sweep = {
        .wants = has_number, .visit = keep_found, .number = number, .arg = &found};

    sweep_conns(registry, &sweep);
    return found;
}
