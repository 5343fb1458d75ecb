/* listen/gate: the bound, waiting for room, closing, and the word that it is empty. */
#include "unit.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/thread.h"
#include "listen/gate.h"

static atomic_int emptied;

static void note_empty(void *arg) {
    assert_ptr_equal(arg, &emptied);
    atomic_fetch_add(&emptied, 1);
}

static void no_more_than_the_bound(void **state) {
    struct gate gate;

    (void)state;
    gate_init(&gate, 2, note_empty, &emptied);
    assert_true(gate_try_enter(&gate));
    assert_true(gate_try_enter(&gate));
    assert_false(gate_try_enter(&gate));
    assert_int_equal(gate_live(&gate), 2);
    gate_leave(&gate);
    assert_true(gate_try_enter(&gate));
    gate_leave(&gate);
    gate_leave(&gate);
    assert_int_equal(atomic_load(&emptied), 0); /* open: nobody is told */
    gate_destroy(&gate);
}

static void closed_and_left_by_the_last_it_tells_once(void **state) {
    struct gate gate;

    (void)state;
    atomic_store(&emptied, 0);
    gate_init(&gate, 2, note_empty, &emptied);
    assert_true(gate_try_enter(&gate));
    assert_int_equal(gate_close(&gate), 1);
    assert_false(gate_try_enter(&gate));
    assert_int_equal(gate_wait_room(&gate, USEC_NEVER), ROOM_CLOSED);
    assert_int_equal(atomic_load(&emptied), 0);
    gate_leave(&gate);
    assert_int_equal(atomic_load(&emptied), 1);
    gate_destroy(&gate);
}

struct waiter {
    struct gate *gate;
    struct thread thread;
    enum room room;
};

static void wait_for_room(void *arg) {
    struct waiter *waiter = arg;

    waiter->room = gate_wait_room(waiter->gate, USEC_NEVER);
}

static void start_waiter_number(struct waiter *waiter, struct gate *gate, size_t number) {
    size_t waiting = 0;

    waiter->gate = gate;
    assert_int_equal(thread_start(&waiter->thread, "waiter", NULL, wait_for_room, waiter), 0);
    while (waiting < number) {
        lock_acquire(&gate->lock);
        waiting = gate->waiting;
        lock_release(&gate->lock);
    }
}

static void start_waiter(struct waiter *waiter, struct gate *gate) {
    start_waiter_number(waiter, gate, 1);
}

/* Who waits only looks: it may then find no client, so each place that is left must wake all who
 * wait. */
static void every_waiter_hears_of_room(void **state) {
    struct waiter waiters[2];
    struct gate gate;

    (void)state;
    gate_init(&gate, 1, note_empty, &emptied);
    assert_true(gate_try_enter(&gate));
    start_waiter_number(&waiters[0], &gate, 1);
    start_waiter_number(&waiters[1], &gate, 2);
    gate_leave(&gate);
    thread_join(&waiters[0].thread);
    thread_join(&waiters[1].thread);
    gate_destroy(&gate);
}

static void a_waiter_is_let_in_when_one_leaves(void **state) {
    struct waiter waiter;
    struct gate gate;

    (void)state;
    gate_init(&gate, 1, note_empty, &emptied);
    assert_true(gate_try_enter(&gate));
    start_waiter(&waiter, &gate);
    gate_leave(&gate);
    thread_join(&waiter.thread);
    assert_int_equal(waiter.room, ROOM_THERE);
    gate_destroy(&gate);
}

static void closing_wakes_the_waiter(void **state) {
    struct waiter waiter;
    struct gate gate;

    (void)state;
    gate_init(&gate, 1, note_empty, &emptied);
    assert_true(gate_try_enter(&gate));
    start_waiter(&waiter, &gate);
    gate_close(&gate);
    thread_join(&waiter.thread);
    assert_int_equal(waiter.room, ROOM_CLOSED);
    gate_leave(&gate);
    gate_destroy(&gate);
}

static void a_nudge_sends_away_and_a_new_bound_counts(void **state) {
    struct gate gate;
    struct waiter waiter;

    (void)state;
    gate_init(&gate, 1, note_empty, &emptied);
    assert_true(gate_try_enter(&gate));
    start_waiter(&waiter, &gate);
    gate_nudge(&gate);
    thread_join(&waiter.thread);
    assert_int_equal(waiter.room, ROOM_NUDGED);
    start_waiter(&waiter, &gate);
    gate_set_max(&gate, 2);
    thread_join(&waiter.thread);
    assert_int_equal(waiter.room, ROOM_THERE);
    assert_true(gate_try_enter(&gate));
    gate_set_max(&gate, 1);
    assert_false(gate_try_enter(&gate));
    gate_leave(&gate);
    assert_false(gate_try_enter(&gate));
    gate_leave(&gate);
    gate_destroy(&gate);
}

/* How long a wait for somebody who does not leave may take. */
static usec_t wait_in_vain(struct gate *gate) {
    struct leaver_wait wait = {0};

    assert_true(gate_await_leaver(gate, &wait)); /* the first time it does not wait */
    assert_false(gate_await_leaver(gate, &wait));
    return wait.patience;
}

/* They have begun together, and so none knows what the others will have spent. */
static void many_waits_in_vain_spend_no_more_than_all(void **state) {
    struct leaver_wait waits[6] = {0}, later = {0};
    struct gate gate;

    (void)state;
    gate_init(&gate, 1, note_empty, &emptied);
    assert_true(gate_try_enter(&gate));
    for (size_t i = 0; i < 6; i++)
        assert_true(gate_await_leaver(&gate, &waits[i]));
    for (size_t i = 0; i < 6; i++)
        assert_false(gate_await_leaver(&gate, &waits[i]));
    assert_true(gate_await_leaver(&gate, &later));
    assert_true(later.patience >= 0);
    gate_leave(&gate);
    gate_destroy(&gate);
}

static void waits_in_vain_for_a_leaver_get_shorter(void **state) {
    struct leaver_wait wait = {0};
    usec_t all = 0, began;
    struct gate gate;

    (void)state;
    gate_init(&gate, 1, note_empty, &emptied);
    assert_true(gate_try_enter(&gate));
    began = clock_now();
    assert_int_equal(wait_in_vain(&gate), 100 * USEC_PER_MSEC);
    for (int i = 0; i < 200; i++)
        all += wait_in_vain(&gate);
    assert_true(all <= 100 * USEC_PER_MSEC + (clock_now() - began) / 10);
    assert_true(gate_await_leaver(&gate, &wait));
    gate_leave(&gate); /* between the look and the wait */
    assert_true(gate_await_leaver(&gate, &wait));
    gate_destroy(&gate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nudge_sends_away_and_a_new_bound_counts),
        cmocka_unit_test(no_more_than_the_bound),
        cmocka_unit_test(closed_and_left_by_the_last_it_tells_once),
        cmocka_unit_test(a_waiter_is_let_in_when_one_leaves),
        cmocka_unit_test(every_waiter_hears_of_room),
        cmocka_unit_test(closing_wakes_the_waiter),
        cmocka_unit_test(waits_in_vain_for_a_leaver_get_shorter),
        cmocka_unit_test(many_waits_in_vain_spend_no_more_than_all),
    };

    alarm(30); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
