/* road/queue_turn: places, turns that are away, spare threads; and the usher. */
#include <unistd.h>

#include "queue_fixture.h"

static void a_line_has_no_more_turns_than_there_are_workers(void **state) {
    struct fixture f;
    struct turn turns[4] = {0};

    (void)state;
    begin(&f, 2, 8);
    for (uint64_t n = 1; n <= 4; n++)
        assert_int_equal(push(&f, f.line, n), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(take(&f, &turns[i]), i + 1);
        turn_leave(&turns[i]);
        assert_true(turns[i].away);
        assert_int_equal(turn_patience(&turns[i]), USEC_NEVER);
    }
    assert_int_equal(atomic_load(&f.spares), 2);
    /* The places are free, but for others. */
    assert_int_equal(push(&f, f.other, 11), 0);
    assert_int_equal(take(&f, &turns[2]), 11);
    assert_int_equal(turn_patience(&turns[2]), TURN_PATIENCE);
    turn_note(&turns[2], 0);
    assert_int_equal(push(&f, f.other, 12), 0);
    assert_int_equal(take(&f, &turns[2]), 12);
    /* A worker that comes back goes on with its line. */
    assert_int_equal(take(&f, &turns[0]), 3);
    assert_true(turns[0].away); /* it is slow */
    assert_int_equal(take(&f, &turns[1]), 4);
    assert_int_equal(atomic_load(&f.spares), 2);
    end_turns(&f, turns, 3);
    end(&f);
}

/* Where both wait, neither waits for the other to be empty. */
static void quick_and_slow_lines_take_turns(void **state) {
    static const uint64_t order[] = {2, 11, 3, 12, 13};
    struct fixture f;
    struct turn turns[6] = {0};

    (void)state;
    begin(&f, 6, 8);
    assert_int_equal(push(&f, f.line, 1), 0);
    assert_int_equal(take(&f, &turns[0]), 1);
    turn_leave(&turns[0]);
    for (uint64_t n = 11; n <= 13; n++)
        assert_int_equal(push(&f, f.other, n), 0);
    for (uint64_t n = 2; n <= 3; n++)
        assert_int_equal(push(&f, f.line, n), 0);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(take(&f, &turns[i + 1]), order[i]);
    end_turns(&f, turns, 6);
    end(&f);
}

static void a_line_is_quick_again_after_so_many_quick_dials(void **state) {
    struct fixture f;
    struct turn turn = {0};
    size_t away = 0;

    (void)state;
    begin(&f, 1, 8);
    assert_int_equal(push(&f, f.line, 1), 0);
    assert_int_equal(take(&f, &turn), 1);
    turn_leave(&turn);
    for (uint64_t n = 0; n < 40; n++) {
        turn_note(&turn, USEC_PER_MSEC);
        assert_int_equal(push(&f, f.line, n), 0);
        assert_int_equal(take(&f, &turn), n);
        away += turn.away;
    }
    assert_in_range(away, 10, 20);
    turn_note(&turn, USEC_PER_SEC);
    assert_int_equal(push(&f, f.line, 50), 0);
    assert_int_equal(take(&f, &turn), 50);
    assert_true(turn.away);
    end_turns(&f, &turn, 1);
    end(&f);
}

/* Then it is as if there were none: the turn keeps its place, and slow lines are served all the
 * same. */
static void without_spare_threads_turns_keep_their_places(void **state) {
    struct fixture f;
    struct turn turns[2] = {0};

    (void)state;
    begin(&f, 2, 8);
    f.no_spares = true;
    assert_int_equal(push(&f, f.line, 1), 0);
    assert_int_equal(take(&f, &turns[0]), 1);
    turn_leave(&turns[0]);
    assert_false(turns[0].away);
    assert_int_equal(push(&f, f.line, 2), 0);
    assert_int_equal(take(&f, &turns[1]), 2);
    assert_false(turns[1].away);
    end_turns(&f, turns, 2);
    end(&f);
}

static size_t count_waiting(struct queue *queue) {
    lock_acquire(&queue->lock);
    size_t n = queue->count;
    lock_release(&queue->lock);
    return n;
}

/* A line that was held back is served as soon as one of its turns ends, or there are more workers;
 * and others while it is not. */
static void what_was_held_back_is_not_forgotten(void **state) {
    struct fixture f;
    struct worker worker;
    struct turn turn = {0};

    (void)state;
    begin(&f, 1, 8);
    assert_int_equal(push(&f, f.line, 1), 0);
    assert_int_equal(take(&f, &turn), 1);
    turn_leave(&turn);
    start_worker(&worker, &f, true, NULL);
    assert_int_equal(push(&f, f.line, 2), 0);
    assert_int_equal(push(&f, f.other, 4), 0);
    while (count_waiting(&f.queue) > 1) /* who is idle may be on the way to the job */
        ;
    wait_until_idle(&f.queue, 1);
    assert_int_equal(count_waiting(&f.queue), 1);
    set_bounds(&f, 2, 8, USEC_PER_SEC);
    while (queue_stands_since(&f.queue) != 0)
        ;
    assert_int_equal(push(&f, f.line, 8), 0);
    while (count_waiting(&f.queue) > 0) /* the worker may still have its turn of the one before */
        ;
    queue_close(&f.queue);
    assert_false(queue_pop(&f.queue, &turn, &(struct job){0}));
    thread_join(&worker.thread);
    assert_int_equal(worker.sum, 2 + 4 + 8);
    end(&f);
}

/* However many wait: the road needs the lock. */
static void a_glimpse_is_bounded(void **state) {
    enum { WAITING = GLIMPSES_WAITING + 5 };
    static struct glimpse list[WAITING + 1];
    struct fixture f;
    struct turn turn = {0};
    struct job job;

    (void)state;
    begin(&f, 1, WAITING + 1);
    assert_int_equal(queue_count_glimpses(&f.queue), 0);
    assert_int_equal(queue_glimpse(&f.queue, list, WAITING), 0);
    assert_int_equal(push(&f, f.line, 1), 0);
    assert_int_equal(take(&f, &turn), 1);
    for (uint64_t i = 2; i < 2 + WAITING; i++)
        assert_int_equal(push(&f, f.line, i), 0);
    assert_int_equal(queue_count_glimpses(&f.queue), GLIMPSES_WAITING + 1);
    assert_int_equal(queue_glimpse(&f.queue, list, WAITING + 1), GLIMPSES_WAITING + 1);
    assert_int_equal(list[0].number, 2); /* the first to come */
    assert_string_equal(list[0].phase, "queue");
    assert_int_equal(list[GLIMPSES_WAITING].number, 1);
    assert_string_equal(list[GLIMPSES_WAITING].phase, "connect");
    assert_int_equal(queue_glimpse(&f.queue, list, 3), 3);
    queue_close(&f.queue);
    while (queue_pop(&f.queue, &turn, &job))
        ;
    end(&f);
}

static void spare_threads_that_are_not_needed_are_sent_away(void **state) {
    struct fixture f;
    struct worker workers[2];
    struct turn turn = {0};

    (void)state;
    begin(&f, 2, 8);
    assert_int_equal(push(&f, f.line, 1), 0);
    assert_int_equal(take(&f, &turn), 1);
    turn_leave(&turn);
    assert_int_equal(atomic_load(&f.spares), 1);
    start_worker(&workers[0], &f, true, NULL);
    start_worker(&workers[1], &f, false, NULL);
    wait_until_idle(&f.queue, 2);
    assert_true(queue_trim(&f.queue, USEC_NEVER)); /* it stands in for the turn that is away */
    assert_false(atomic_load(&workers[0].ended));
    queue_dismiss(&f.queue, 1);
    thread_join(&workers[1].thread);
    queue_dismiss(&f.queue, 1);
    assert_false(queue_pop(&f.queue, &turn, &(struct job){0})); /* the turn is over */
    assert_int_equal(push(&f, f.line, 2), 0);
    wait_until_idle(&f.queue, 1);
    assert_true(queue_trim(&f.queue, 0));
    assert_false(queue_trim(&f.queue, USEC_NEVER));
    thread_join(&workers[0].thread);
    assert_int_equal(workers[0].sum, 2);
    end(&f);
}

/* The usher's */

static void what_waits_too_long_is_overdue(void **state) {
    usec_t began = clock_now();
    struct turn turn = {0};
    struct fixture f;
    struct job job;

    (void)state;
    begin(&f, 1, 8);
    assert_int_equal(push(&f, f.line, 1), 0);
    set_bounds(&f, 1, 8, 30 * USEC_PER_MSEC);
    assert_int_equal(push(&f, f.other, 2), 0);
    assert_int_equal(queue_wait_overdue(&f.queue, began + 10 * USEC_PER_MSEC, &job), OVERDUE_NONE);
    assert_int_equal(queue_wait_overdue(&f.queue, USEC_NEVER, &job), OVERDUE_JOB);
    assert_int_equal(job.record.number, 2);
    assert_true(clock_now() - began >= 30 * USEC_PER_MSEC);
    assert_int_equal(take(&f, &turn), 1);
    turn_leave(&turn);
    assert_int_equal(queue_wait_overdue(&f.queue, USEC_NEVER, &job), OVERDUE_NONE); /* a spare */
    queue_end_overdue(&f.queue);
    assert_int_equal(queue_wait_overdue(&f.queue, USEC_NEVER, &job), OVERDUE_END);
    end_turns(&f, &turn, 1);
    end(&f);
}

struct usher {
    struct fixture *fixture;
    struct thread thread;
    uint64_t sum;
};

static void usher(void *arg) {
    struct usher *usher = arg;
    struct job job;
    enum overdue what;

    while ((what = queue_wait_overdue(&usher->fixture->queue, USEC_NEVER, &job)) != OVERDUE_END)
        if (what == OVERDUE_JOB)
            usher->sum += job.record.number;
}

/* It sleeps when they come, and must hear of each: nobody works. */
static void the_usher_hears_of_those_whom_nobody_serves(void **state) {
    struct fixture f;
    struct usher one = {.fixture = &f};

    (void)state;
    begin(&f, 1, 1000);
    set_bounds(&f, 1, 1000, USEC_PER_MSEC);
    assert_int_equal(thread_start(&one.thread, "usher", NULL, usher, &one), 0);
    for (uint64_t n = 1; n <= 100; n++) {
        assert_int_equal(push(&f, n % 2 ? f.line : f.other, n), 0);
        if (n % 3 == 0)
            while (queue_stands_since(&f.queue) != 0)
                ;
    }
    while (queue_stands_since(&f.queue) != 0)
        ;
    queue_end_overdue(&f.queue);
    thread_join(&one.thread);
    assert_int_equal(one.sum, 5050);
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_no_more_turns_than_there_are_workers),
        cmocka_unit_test(quick_and_slow_lines_take_turns),
        cmocka_unit_test(a_line_is_quick_again_after_so_many_quick_dials),
        cmocka_unit_test(without_spare_threads_turns_keep_their_places),
        cmocka_unit_test(what_was_held_back_is_not_forgotten),
        cmocka_unit_test(a_glimpse_is_bounded),
        cmocka_unit_test(spare_threads_that_are_not_needed_are_sent_away),
        cmocka_unit_test(what_waits_too_long_is_overdue),
        cmocka_unit_test(the_usher_hears_of_those_whom_nobody_serves),
    };

    alarm(30); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
