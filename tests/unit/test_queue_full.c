/* road/queue_full: lines for which no server has room. */
#include <unistd.h>

#include "queue_fixture.h"

/* As if the search had found all servers full. */
static void put_back(struct fixture *f, struct turn *turn, uint64_t number) {
    struct job job;

    assert_true(queue_pop(&f->queue, turn, &job));
    assert_int_equal(job.record.number, number);
    assert_true(queue_put_back(&f->queue, turn, &job));
    assert_int_equal(job.has.client, -1);
}

static void take_and_settle(struct fixture *f, struct turn *turn, uint64_t number) {
    assert_int_equal(take(f, turn), number);
    turn->outcome = TURN_FOUND;
}

static size_t count_full(struct fixture *f) {
    return queue_count_full(&f->queue, f->line);
}

/* A connection of the line ends. */
static void leave(struct fixture *f) {
    line_leave(line_ref(f->line), NULL);
}

static void a_full_line_waits_and_keeps_its_order(void **state) {
    struct fixture f;
    struct turn turn = {0};

    (void)state;
    begin(&f, 2, 8);
    for (uint64_t n = 1; n <= 3; n++)
        assert_int_equal(push(&f, f.line, n), 0);
    put_back(&f, &turn, 1);
    assert_int_equal(count_full(&f), 3);
    assert_int_equal(push(&f, f.other, 11), 0);
    take_and_settle(&f, &turn, 11); /* others go on */
    assert_int_equal(queue_stands_since(&f.queue), 0);
    leave(&f);
    take_and_settle(&f, &turn, 1);
    leave(&f);
    put_back(&f, &turn, 2); /* somebody was quicker */
    leave(&f);
    leave(&f);
    take_and_settle(&f, &turn, 2);
    take_and_settle(&f, &turn, 3);
    assert_int_equal(count_full(&f), 0);
    assert_int_equal(push(&f, f.line, 4), 0); /* it is a line as any other again */
    take_and_settle(&f, &turn, 4);
    end_turns(&f, &turn, 1);
    end(&f);
}

/* One that is given back while a worker finds that there is none, and before it has said so. */
static void no_place_that_is_given_back_is_missed(void **state) {
    struct turn turns[2] = {0};
    struct fixture f;
    struct job job;

    (void)state;
    begin(&f, 2, 8);
    assert_int_equal(push(&f, f.line, 1), 0);
    assert_true(queue_pop(&f.queue, &turns[0], &job));
    leave(&f);
    assert_true(queue_put_back(&f.queue, &turns[0], &job));
    take_and_settle(&f, &turns[0], 1);
    /* A dial of the same line has one, and fails: after the other has found none, */
    assert_int_equal(push(&f, f.line, 2), 0);
    assert_int_equal(push(&f, f.line, 3), 0);
    assert_int_equal(take(&f, &turns[0]), 2);
    put_back(&f, &turns[1], 3);
    assert_int_equal(take(&f, &turns[0]), 3);
    /* or before it says so. */
    assert_int_equal(push(&f, f.line, 4), 0);
    assert_true(queue_pop(&f.queue, &turns[1], &job));
    assert_int_equal(push(&f, f.other, 11), 0);
    take_and_settle(&f, &turns[0], 11);
    assert_true(queue_put_back(&f.queue, &turns[1], &job));
    take_and_settle(&f, &turns[1], 4);
    end_turns(&f, turns, 2);
    end(&f);
}

static void the_usher_lets_one_look_again_and_more_if_that_helps(void **state) {
    struct turn turn = {0};
    struct fixture f;
    struct job job;

    (void)state;
    begin(&f, 1, 8);
    assert_false(queue_retry_full(&f.queue));
    for (uint64_t n = 1; n <= 4; n++)
        assert_int_equal(push(&f, f.line, n), 0);
    put_back(&f, &turn, 1);
    assert_int_equal(queue_wait_overdue(&f.queue, USEC_NEVER, &job), OVERDUE_NONE); /* called */
    assert_true(queue_retry_full(&f.queue));
    take_and_settle(&f, &turn, 1);
    take_and_settle(&f, &turn, 2);
    put_back(&f, &turn, 3);
    assert_int_equal(count_full(&f), 2);
    assert_int_equal(push(&f, f.other, 11), 0);
    take_and_settle(&f, &turn, 11);
    assert_true(queue_retry_full(&f.queue));
    for (uint64_t n = 3; n <= 4; n++)
        take_and_settle(&f, &turn, n);
    assert_false(queue_retry_full(&f.queue));
    end_turns(&f, &turn, 1);
    end(&f);
}

/* With full_timeout those that wait already, that come later, and that have looked, are overdue
 * after it. */
static void those_of_a_full_line_have_less_time(void **state) {
    const struct queue_bounds bounds = {.workers = 1,
                                        .capacity = 8,
                                        .lines = 2,
                                        .timeout = 60 * USEC_PER_SEC,
                                        .full_timeout = 30 * USEC_PER_MSEC};
    usec_t began = clock_now();
    struct turn turn = {0};
    struct fixture f;
    struct job job;
    uint64_t sum = 0;

    (void)state;
    begin(&f, 1, 8);
    queue_set(&f.queue, &bounds);
    assert_int_equal(push(&f, f.line, 1), 0);
    assert_int_equal(push(&f, f.line, 2), 0);
    assert_int_equal(push(&f, f.other, 8), 0);
    put_back(&f, &turn, 1);
    assert_int_equal(push(&f, f.line, 4), 0);
    assert_int_equal(queue_wait_overdue(&f.queue, USEC_NEVER, &job), OVERDUE_NONE);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(queue_wait_overdue(&f.queue, USEC_NEVER, &job), OVERDUE_FULL);
        sum += job.record.number;
    }
    assert_int_equal(sum, 1 + 2 + 4);
    assert_true(clock_now() - began >= 30 * USEC_PER_MSEC);
    assert_int_equal(count_full(&f), 0);
    take_and_settle(&f, &turn, 8);
    /* One that has waited already is not put back for a second wait. */
    assert_int_equal(push(&f, f.line, 16), 0);
    put_back(&f, &turn, 16);
    usleep(40000);
    leave(&f);
    assert_true(queue_pop(&f.queue, &turn, &job));
    assert_false(queue_put_back(&f.queue, &turn, &job));
    assert_int_equal(job.record.number, 16);
    assert_int_equal(count_full(&f), 0);
    end_turns(&f, &turn, 1);
    end(&f);
}

static void a_queue_in_a_hurry_gives_out_full_lines(void **state) {
    struct turn turn = {0};
    struct fixture f;
    struct job job;

    (void)state;
    begin(&f, 1, 8);
    assert_int_equal(push(&f, f.line, 1), 0);
    put_back(&f, &turn, 1);
    queue_close(&f.queue);
    queue_hurry(&f.queue);
    assert_true(queue_pop(&f.queue, &turn, &job));
    assert_false(queue_put_back(&f.queue, &turn, &job));
    assert_false(queue_pop(&f.queue, &turn, &job));
    end(&f);
}

/* Many threads: workers whose connections end at once, at servers that have room for two. */

#define ROOM 2
#define MANY 20000

static _Atomic int busy;

struct server {
    struct fixture *f;
    struct thread thread;
    struct turn turn;
    uint64_t sum;
};

static bool get_place(void) {
    int n = atomic_load(&busy);

    while (n < ROOM)
        if (atomic_compare_exchange_weak(&busy, &n, n + 1))
            return true;
    return false;
}

static void serve(void *arg) {
    struct server *server = arg;
    struct job job;

    while (queue_pop(&server->f->queue, &server->turn, &job)) {
        if (!get_place()) {
            assert_true(queue_put_back(&server->f->queue, &server->turn, &job));
            continue;
        }
        server->sum += job.record.number;
        if (job.record.number % 3) /* else its dial has failed */
            server->turn.outcome = TURN_FOUND;
        if (job.record.number % 5 == 0)
            usleep(1);
        atomic_fetch_sub(&busy, 1);
        if (job.record.number % 3)
            leave(server->f);
    }
}

/* Nobody retries: each job is served because each place that is given back lets one look. */
static void many_threads_and_little_room_lose_nothing(void **state) {
    struct server servers[4];
    struct fixture f;
    uint64_t sum = 0;

    (void)state;
    begin(&f, ARRAY_LEN(servers), 100);
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        servers[i] = (struct server){.f = &f};
        assert_int_equal(thread_start(&servers[i].thread, "server", NULL, serve, &servers[i]), 0);
    }
    for (uint64_t n = 1; n <= MANY; n++)
        while (push(&f, f.line, n) < 0)
            assert_int_not_equal(queue_wait_room(&f.queue, f.line), ROOM_CLOSED);
    queue_close(&f.queue);
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        thread_join(&servers[i].thread);
        sum += servers[i].sum;
    }
    assert_int_equal(sum, (uint64_t)MANY * (MANY + 1) / 2);
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_line_waits_and_keeps_its_order),
        cmocka_unit_test(no_place_that_is_given_back_is_missed),
        cmocka_unit_test(the_usher_lets_one_look_again_and_more_if_that_helps),
        cmocka_unit_test(those_of_a_full_line_have_less_time),
        cmocka_unit_test(a_queue_in_a_hurry_gives_out_full_lines),
        cmocka_unit_test(many_threads_and_little_room_lose_nothing),
    };

    alarm(30); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
