/* road/queue: order, bound, refusal, waiting, wake-ups, and the steps of the stop. */
#include <unistd.h>

#include "queue_fixture.h"

static void first_in_first_out(void **state) {
    struct fixture f;
    struct turn turn = {0};

    (void)state;
    begin(&f, 1, 3);
    for (uint64_t n = 0; n < 50; n += 2) {
        assert_int_equal(push(&f, f.line, n), 0);
        assert_int_equal(push(&f, f.line, n + 1), 0);
        assert_int_equal(take(&f, &turn), n);
        assert_int_equal(take(&f, &turn), n + 1);
    }
    queue_close(&f.queue);
    assert_false(queue_pop(&f.queue, &turn, &(struct job){0}));
    end(&f);
}

static void a_full_queue_refuses_and_leaves_the_job(void **state) {
    struct fixture f;
    struct turn turn = {0};

    (void)state;
    begin(&f, 1, 2);
    assert_int_equal(push(&f, f.line, 1), 0);
    assert_int_equal(push(&f, f.line, 2), 0);
    assert_int_equal(push(&f, f.line, 3), -EAGAIN);
    assert_int_equal(take(&f, &turn), 1);
    assert_int_equal(push(&f, f.line, 3), 0);
    assert_int_equal(take(&f, &turn), 2);
    assert_int_equal(take(&f, &turn), 3);
    end_turns(&f, &turn, 1);
    end(&f);
}

/* One line may fill the queue; each of the others still has its share. */
static void a_line_that_fills_the_queue_leaves_the_others_their_share(void **state) {
    struct fixture f;
    struct turn turn = {0};

    (void)state;
    begin(&f, 1, 4);
    for (uint64_t n = 1; n <= 4; n++)
        assert_int_equal(push(&f, f.line, n), 0);
    assert_int_equal(push(&f, f.line, 5), -EAGAIN);
    assert_int_equal(push(&f, f.other, 5), 0);
    assert_int_equal(push(&f, f.other, 6), 0);
    assert_int_equal(push(&f, f.other, 7), -EAGAIN);
    static const uint64_t by_turns[] = {1, 5, 2, 6, 3, 4};
    for (size_t i = 0; i < ARRAY_LEN(by_turns); i++)
        assert_int_equal(take(&f, &turn), by_turns[i]);
    end_turns(&f, &turn, 1);
    end(&f);
}

struct looker {
    struct fixture *fixture;
    struct thread thread;
    enum room room;
    atomic_bool done;
};

static void look_for_room(void *arg) {
    struct looker *looker = arg;

    looker->room = queue_wait_room(&looker->fixture->queue, looker->fixture->line);
    atomic_store(&looker->done, true);
}

static void start_looker(struct looker *looker, struct fixture *fixture) {
    *looker = (struct looker){.fixture = fixture};
    assert_int_equal(thread_start(&looker->thread, "looker", NULL, look_for_room, looker), 0);
}

static void wait_until_blocked(struct queue *queue, size_t number) {
    for (size_t blocked = 0; blocked < number;) {
        lock_acquire(&queue->lock);
        blocked = queue->blocked;
        lock_release(&queue->lock);
    }
}

/* The first may find no client, so the second must hear of the room too. */
static void every_waiter_hears_of_room(void **state) {
    struct looker lookers[2];
    struct fixture f;
    struct turn turn = {0};

    (void)state;
    begin(&f, 1, 1);
    assert_int_equal(push(&f, f.line, 1), 0);
    start_looker(&lookers[0], &f);
    start_looker(&lookers[1], &f);
    wait_until_blocked(&f.queue, 2);
    assert_false(atomic_load(&lookers[0].done));
    assert_int_equal(take(&f, &turn), 1);
    for (size_t i = 0; i < ARRAY_LEN(lookers); i++) {
        thread_join(&lookers[i].thread);
        assert_int_equal(lookers[i].room, ROOM_THERE);
    }
    end_turns(&f, &turn, 1);
    end(&f);
}

static void unbinding_lets_a_waiting_one_through(void **state) {
    struct looker looker;
    struct fixture f;
    struct turn turn = {0};

    (void)state;
    begin(&f, 1, 1);
    assert_int_equal(push(&f, f.line, 1), 0);
    start_looker(&looker, &f);
    wait_until_blocked(&f.queue, 1);
    queue_unbind(&f.queue);
    thread_join(&looker.thread);
    assert_int_equal(looker.room, ROOM_CLOSED);
    assert_int_equal(push(&f, f.line, 2), 0);
    assert_int_equal(take(&f, &turn), 1);
    assert_int_equal(take(&f, &turn), 2);
    end_turns(&f, &turn, 1);
    end(&f);
}

static void new_bounds_keep_what_waits(void **state) {
    struct fixture f;
    struct turn turn = {0};

    (void)state;
    begin(&f, 1, 4);
    for (uint64_t n = 1; n <= 4; n++)
        assert_int_equal(push(&f, f.line, n), 0);
    set_bounds(&f, 1, 2, USEC_PER_SEC);
    assert_int_equal(push(&f, f.line, 5), -EAGAIN);
    set_bounds(&f, 1, 5, USEC_PER_SEC);
    assert_int_equal(push(&f, f.line, 5), 0);
    assert_true(queue_stands_since(&f.queue) > 0);
    for (uint64_t n = 1; n <= 5; n++)
        assert_int_equal(take(&f, &turn), n);
    assert_int_equal(queue_stands_since(&f.queue), 0);
    end_turns(&f, &turn, 1);
    end(&f);
}

/* Many threads */

#define MANY 20000

static void push_many(struct fixture *f, uint64_t n) {
    while (push(f, n % 3 ? f->line : f->other, n) < 0)
        assert_int_not_equal(queue_wait_room(&f->queue, n % 3 ? f->line : f->other), ROOM_CLOSED);
}

static void many_threads_lose_nothing(void **state) {
    struct worker workers[4];
    struct fixture f;
    uint64_t sum = 0;

    (void)state;
    begin(&f, 3, 7);
    for (size_t i = 0; i < ARRAY_LEN(workers); i++)
        start_worker(&workers[i], &f, i == 3, NULL);
    for (uint64_t n = 0; n < MANY; n++)
        push_many(&f, n);
    queue_close(&f.queue);
    for (size_t i = 0; i < ARRAY_LEN(workers); i++) {
        thread_join(&workers[i].thread);
        sum += workers[i].sum;
    }
    assert_int_equal(sum, (uint64_t)MANY * (MANY - 1) / 2);
    end(&f);
}

#define TOGETHER 3
#define ROUNDS   2000

/* Each worker keeps its job until all have one: if one wake-up too few was sent, they wait for
 * ever. */
static void jobs_that_come_together_wake_a_worker_each_and_one_at_a_time(void **state) {
    struct worker workers[TOGETHER];
    pthread_barrier_t meeting;
    struct fixture f;

    (void)state;
    begin(&f, TOGETHER, TOGETHER);
    assert_int_equal(pthread_barrier_init(&meeting, NULL, TOGETHER + 1), 0);
    for (size_t i = 0; i < TOGETHER; i++)
        start_worker(&workers[i], &f, false, &meeting);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        usec_t began = clock_now();

        for (uint64_t n = 0; n < TOGETHER; n++) {
            push_many(&f, round * TOGETHER + n);
            lock_acquire(&f.queue.lock);
            size_t coming = f.queue.coming;
            lock_release(&f.queue.lock);
            assert_true(coming <= 1 || clock_now() - began > USEC_PER_SEC / 100);
        }
        (void)pthread_barrier_wait(&meeting);
    }
    queue_close(&f.queue);
    for (size_t i = 0; i < TOGETHER; i++)
        thread_join(&workers[i].thread);
    pthread_barrier_destroy(&meeting);
    end(&f);
}

static void the_dismissed_end_and_the_others_go_on(void **state) {
    struct worker workers[3];
    struct fixture f;

    (void)state;
    begin(&f, 2, 2);
    queue_dismiss(&f.queue, 2); /* nobody is there to hear it yet */
    assert_int_equal(queue_recall(&f.queue, 1), 1);
    for (size_t i = 0; i < ARRAY_LEN(workers); i++)
        start_worker(&workers[i], &f, false, NULL);
    wait_until_idle(&f.queue, 2);
    assert_int_equal(queue_recall(&f.queue, 5), 0);
    queue_dismiss(&f.queue, 1);
    assert_int_equal(push(&f, f.line, 7), 0);
    queue_close(&f.queue);
    uint64_t sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(workers); i++) {
        thread_join(&workers[i].thread);
        sum += workers[i].sum;
    }
    assert_int_equal(sum, 7);
    end(&f);
}

/* Those that are held back, too: workers do not wait for turns that will not end by themselves. */
static void a_queue_in_a_hurry_is_emptied_whatever_the_bounds(void **state) {
    struct turn turns[2] = {0};
    struct fixture f;

    (void)state;
    begin(&f, 1, 8);
    for (uint64_t n = 1; n <= 3; n++)
        assert_int_equal(push(&f, f.line, n), 0);
    assert_int_equal(push(&f, f.other, 4), 0);
    assert_int_equal(take(&f, &turns[0]), 1);
    queue_close(&f.queue);
    queue_hurry(&f.queue);
    assert_int_equal(take(&f, &turns[1]), 4);
    assert_int_equal(take(&f, &turns[1]), 2);
    assert_int_equal(take(&f, &turns[1]), 3);
    assert_false(queue_pop(&f.queue, &turns[1], &(struct job){0}));
    assert_false(queue_pop(&f.queue, &turns[0], &(struct job){0}));
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out),
        cmocka_unit_test(a_full_queue_refuses_and_leaves_the_job),
        cmocka_unit_test(a_line_that_fills_the_queue_leaves_the_others_their_share),
        cmocka_unit_test(every_waiter_hears_of_room),
        cmocka_unit_test(unbinding_lets_a_waiting_one_through),
        cmocka_unit_test(new_bounds_keep_what_waits),
        cmocka_unit_test(many_threads_lose_nothing),
        cmocka_unit_test(jobs_that_come_together_wake_a_worker_each_and_one_at_a_time),
        cmocka_unit_test(the_dismissed_end_and_the_others_go_on),
        cmocka_unit_test(a_queue_in_a_hurry_is_emptied_whatever_the_bounds),
    };

    alarm(30); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
