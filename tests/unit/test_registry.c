/* conn/registry and conn_review: what connections that are there cost the reaper, in looks and
 * questions to the kernel. */
#include "unit.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "conn/conn.h"
#include "conn/sweep.h"

#define N 300

static struct registry registry;
static struct gate gate;
static struct conn *conns[N];
static int far[N][2];

/* Conns without pumps: nothing moves but what the test does. In a registry of their own, for the
 * time that it has seen is the test's. */
static void make_conns(usec_t idle_timeout, usec_t linger_timeout) {
    const struct conn_options options = {.idle_timeout = idle_timeout,
                                         .linger_timeout = linger_timeout,
                                         .log = LOG_CONNECTIONS_NONE};
    const struct record record = {.number = 1};

    registry_init(&registry);
    gate_init(&gate, SIZE_MAX, NULL, NULL);
    for (size_t i = 0; i < N; i++) {
        struct holdings has = HOLDINGS_NONE;
        int client[2], server[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, server), 0);
        has.client = client[0];
        has.server = server[0];
        far[i][0] = client[1];
        far[i][1] = server[1];
        gate_force_enter(&gate);
        conns[i] = conn_new(&record, &options, &registry, &gate, NULL, NULL, &has);
        assert_non_null(conns[i]);
    }
}

static void drop_conns(void) UNCHECKED {
    for (size_t i = 0; i < N; i++) {
        conn_abort(conns[i], END_STOPPED, 0);
        conn_unref(conns[i]);
        fd_close(&far[i][0]);
        fd_close(&far[i][1]);
    }
    assert_true(wheel_next(&registry.reviews) == USEC_NEVER);
    registry_destroy(&registry);
    gate_destroy(&gate);
}

/* What the reaper does from one moment to another. */
struct cost {
    size_t wakes, glances, reviews, ends;
};

static void look(usec_t now, struct cost *cost) {
    struct registry_node *node;
    usec_t next;

    cost->wakes++;
    lock_acquire(&registry.lock);
    while ((node = registry_due(&registry, now)) != NULL) {
        struct conn *conn = conn_of(node);

        cost->glances++;
        if (conn_glance(&registry, conn, now, &next)) {
            assert_true(next > now);
            registry_review_at(&registry, node, next);
            continue;
        }
        lock_release(&registry.lock);
        cost->reviews++;
        cost->ends += conn_review(conn, now).what != CONN_LIVE;
        lock_acquire(&registry.lock);
    }
    lock_release(&registry.lock);
}

static struct cost let_time_pass(usec_t *now, usec_t span) {
    usec_t until = *now + span;
    struct cost cost = {0};

    for (;;) {
        lock_acquire(&registry.lock);
        usec_t next = wheel_next(&registry.reviews);
        lock_release(&registry.lock);
        if (next > until)
            break;
        *now = next > *now ? next : *now;
        look(*now, &cost);
    }
    *now = until;
    return cost;
}

static void touch_all(usec_t now) UNCHECKED {
    for (size_t i = 0; i < N; i++)
        for (int dir = 0; dir < 2; dir++)
            atomic_store(&conns[i]->state->flow[dir].active, now);
}

static void idle_ones_cost_hardly_a_wake(void **state) {
    usec_t now = clock_now();

    (void)state;
    make_conns(600 * USEC_PER_SEC, 5 * USEC_PER_SEC);
    struct cost cost = let_time_pass(&now, 60 * USEC_PER_SEC);
    assert_int_equal(cost.reviews, N); /* each was asked for once, when it fell silent */
    cost = let_time_pass(&now, 480 * USEC_PER_SEC);
    assert_int_equal(cost.reviews, 0);
    assert_int_equal(cost.ends, 0);
    assert_in_range(cost.glances, N, 40 * N);
    assert_in_range(cost.wakes, 1, 400); /* however many there are */
    cost = let_time_pass(&now, 61 * USEC_PER_SEC);
    assert_int_equal(cost.ends, N);
    drop_conns();
}

static void busy_ones_are_not_asked_for(void **state) {
    usec_t now = clock_now();
    struct cost cost;

    (void)state;
    make_conns(10 * USEC_PER_SEC, 5 * USEC_PER_SEC);
    for (int second = 0; second < 60; second++) {
        touch_all(now);
        cost = let_time_pass(&now, USEC_PER_SEC);
        assert_int_equal(cost.reviews, 0);
    }
    cost = let_time_pass(&now, 9 * USEC_PER_SEC - USEC_PER_MSEC);
    assert_int_equal(cost.ends, 0);
    cost = let_time_pass(&now, 20 * USEC_PER_MSEC);
    assert_int_equal(cost.ends, N);
    drop_conns();
}

/* A shorter time counts from the end of one side on: the reaper that sleeps for long is told. */
static void who_begins_to_linger_is_looked_at_sooner(void **state) UNCHECKED {
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        usec_t now = clock_now();

        make_conns(0, USEC_PER_SEC);
        struct cost cost = let_time_pass(&now, USEC_PER_MSEC);
        assert_int_equal(cost.ends, 0);
        registry.sleeps_until = USEC_NEVER;
        for (size_t i = 0; i < N; i += 2)
            if (fails)
                conn_sink_failed(conns[i], DIR_DOWN, EPIPE);
            else
                conn_source_ended(conns[i], DIR_UP, 0);
        assert_int_equal(registry.sleeps_until, 0);
        now = clock_now();
        cost = let_time_pass(&now, 1020 * USEC_PER_MSEC);
        assert_int_equal(cost.ends, N / 2);
        cost = let_time_pass(&now, 3600 * USEC_PER_SEC);
        assert_int_equal(cost.ends, 0);
        drop_conns();
    }
}

static void count_one(void *arg, struct conn *conn) {
    size_t *visits = arg;

    assert_in_range(conn->state->record.number, 1, N);
    visits[conn->state->record.number]++;
}

static void refs_are_given_back(void) {
    for (size_t i = 0; i < N; i++)
        assert_int_equal(atomic_load(&conns[i]->refs), 1);
}

/* A walk looks at some, lets the lock go, and goes on: past many that it does not want, too. */
static void walks_go_on_where_they_paused(void **state) UNCHECKED {
    static const uint64_t numbers[] = {1, 64, 65, 256, 257, N};
    size_t visits[N + 1] = {0};

    (void)state;
    make_conns(0, USEC_PER_SEC);
    for (size_t i = 0; i < N; i++)
        conns[i]->state->record.number = i + 1;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct conn *found = sweep_find(&registry, numbers[i]);

        assert_ptr_equal(found, conns[numbers[i] - 1]);
        conn_unref(found);
    }
    assert_null(sweep_find(&registry, N + 1));
    refs_are_given_back();
    sweep_visit(&registry, count_one, visits);
    for (size_t i = 1; i <= N; i++)
        assert_int_equal(visits[i], 1);
    refs_are_given_back();
    for (size_t i = 0; i + 1 < N; i++)
        conn_abort(conns[i], END_STOPPED, 0);
    assert_false(conns[N - 1]->state->aborted);
    sweep_abort(&registry, NULL, END_STOPPED); /* wants but the last one */
    assert_true(conns[N - 1]->state->aborted);
    refs_are_given_back();
    drop_conns();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_ones_cost_hardly_a_wake),
        cmocka_unit_test(busy_ones_are_not_asked_for),
        cmocka_unit_test(walks_go_on_where_they_paused),
        cmocka_unit_test(who_begins_to_linger_is_looked_at_sooner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
