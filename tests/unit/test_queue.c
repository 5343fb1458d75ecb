/* relay/queue: order, bound, refusal, waiting, and the two steps of the stop. */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/thread.h"
#include "relay/queue.h"

static struct job job_number(uint64_t number) {
    return (struct job){.has = {.client = (int)number + 1000, .server = -1},
                        .record = {.number = number}};
}

static void push_now(struct queue *queue, uint64_t number) {
    struct job job = job_number(number);

    assert_true(queue_try_push(queue, &job));
    assert_int_equal(job.has.client, -1); /* given away and blanked */
}

static uint64_t pop(struct queue *queue) {
    struct queue_waiter waiter = {0};
    struct job job;

    assert_true(queue_pop(queue, &waiter, &job));
    assert_int_equal(job.has.client, (int)job.record.number + 1000);
    return job.record.number;
}

static void first_in_first_out_around_the_ring(void **state) {
    struct queue queue;

    (void)state;
    assert_int_equal(queue_init(&queue, 3, 1), 0);
    for (uint64_t n = 0; n < 50; n += 2) {
        push_now(&queue, n);
        push_now(&queue, n + 1);
        assert_int_equal(pop(&queue), n);
        assert_int_equal(pop(&queue), n + 1);
    }
    queue_destroy(&queue);
}

static void a_full_queue_refuses_and_leaves_the_job(void **state) {
    struct job job = job_number(3);
    struct queue queue;

    (void)state;
    assert_int_equal(queue_init(&queue, 2, 1), 0);
    push_now(&queue, 1);
    push_now(&queue, 2);
    assert_false(queue_try_push(&queue, &job));
    assert_int_equal(job.has.client, 1003);
    assert_int_equal(pop(&queue), 1);
    assert_true(queue_try_push(&queue, &job));
    assert_int_equal(pop(&queue), 2);
    assert_int_equal(pop(&queue), 3);
    queue_destroy(&queue);
}

struct pusher {
    struct queue *queue;
    struct thread thread;
    atomic_bool done;
    uint64_t sum; /* of the numbers popped */
};

static void push_waiting(void *arg) {
    struct pusher *pusher = arg;
    struct job job = job_number(2);

    queue_push(pusher->queue, &job);
    atomic_store(&pusher->done, true);
}

static void wait_until_blocked(struct queue *queue, size_t number) {
    for (size_t blocked = 0; blocked < number;) {
        lock_acquire(&queue->lock);
        blocked = queue->blocked;
        lock_release(&queue->lock);
    }
}

static void push_waits_for_room(void **state) {
    struct queue queue;
    struct pusher pusher = {.queue = &queue};

    (void)state;
    assert_int_equal(queue_init(&queue, 1, 1), 0);
    push_now(&queue, 1);
    assert_int_equal(thread_start(&pusher.thread, "pusher", NULL, push_waiting, &pusher), 0);
    wait_until_blocked(&queue, 1);
    assert_false(atomic_load(&pusher.done));
    assert_int_equal(pop(&queue), 1);
    assert_int_equal(pop(&queue), 2);
    thread_join(&pusher.thread);
    queue_destroy(&queue);
}

static void look_for_room(void *arg) {
    struct pusher *looker = arg;

    atomic_store(&looker->done, queue_wait_room(looker->queue) == ROOM_THERE);
}

/* One that looks and one that pushes: the first may find no client, so the second must hear of the room too. */
static void every_waiter_hears_of_room(void **state) {
    struct queue queue;
    struct pusher looker = {.queue = &queue}, pusher = {.queue = &queue};

    (void)state;
    assert_int_equal(queue_init(&queue, 1, 2), 0);
    push_now(&queue, 1);
    assert_int_equal(thread_start(&looker.thread, "looker", NULL, look_for_room, &looker), 0);
    wait_until_blocked(&queue, 1);
    assert_int_equal(thread_start(&pusher.thread, "pusher", NULL, push_waiting, &pusher), 0);
    wait_until_blocked(&queue, 2);
    assert_int_equal(pop(&queue), 1);
    assert_int_equal(pop(&queue), 2);
    thread_join(&pusher.thread);
    queue_unbind(&queue);
    thread_join(&looker.thread);
    queue_destroy(&queue);
}

static void unbinding_lets_a_waiting_push_through(void **state) {
    struct queue queue;
    struct pusher pusher = {.queue = &queue};

    (void)state;
    assert_int_equal(queue_init(&queue, 1, 1), 0);
    push_now(&queue, 1);
    assert_int_equal(thread_start(&pusher.thread, "pusher", NULL, push_waiting, &pusher), 0);
    wait_until_blocked(&queue, 1);
    queue_unbind(&queue);
    thread_join(&pusher.thread);
    assert_int_equal(queue_wait_room(&queue), ROOM_CLOSED);
    assert_int_equal(pop(&queue), 1);
    assert_int_equal(pop(&queue), 2);
    queue_destroy(&queue);
}

static void a_closed_queue_is_emptied_first(void **state) {
    struct queue_waiter waiter = {0};
    struct queue queue;
    struct job job;

    (void)state;
    assert_int_equal(queue_init(&queue, 2, 1), 0);
    push_now(&queue, 1);
    queue_close(&queue);
    assert_int_equal(pop(&queue), 1);
    assert_false(queue_pop(&queue, &waiter, &job));
    queue_destroy(&queue);
}

#define MANY 20000

static void pop_all(void *arg) {
    struct pusher *popper = arg;
    struct queue_waiter waiter = {0};
    struct job job;

    while (queue_pop(popper->queue, &waiter, &job))
        popper->sum += job.record.number;
}

static void many_threads_lose_nothing(void **state) {
    struct queue queue;
    struct pusher poppers[4];
    struct queue_waiter waiter = {0};
    struct job job;
    uint64_t sum = 0;

    (void)state;
    assert_int_equal(queue_init(&queue, 7, 1), 0);
    for (size_t i = 0; i < ARRAY_LEN(poppers); i++) {
        poppers[i] = (struct pusher){.queue = &queue};
        assert_int_equal(thread_start(&poppers[i].thread, "popper", NULL, pop_all, &poppers[i]), 0);
    }
    for (uint64_t n = 0; n < MANY; n++) {
        job = job_number(n);
        queue_push(&queue, &job);
    }
    queue_close(&queue);
    for (size_t i = 0; i < ARRAY_LEN(poppers); i++) {
        thread_join(&poppers[i].thread);
        sum += poppers[i].sum;
    }
    assert_int_equal(sum, (uint64_t)MANY * (MANY - 1) / 2);
    assert_false(queue_pop(&queue, &waiter, &job));
    queue_destroy(&queue);
}

#define TOGETHER 3
#define ROUNDS   2000

struct meeting {
    struct queue queue;
    pthread_barrier_t all;
    struct thread threads[TOGETHER];
};

static void pop_and_meet(void *arg) {
    struct meeting *meeting = arg;
    struct queue_waiter waiter = {0};
    struct job job;

    while (queue_pop(&meeting->queue, &waiter, &job))
        (void)pthread_barrier_wait(&meeting->all);
}

/* Each worker keeps its job until all have one: if one wake-up too few was sent, they wait for ever. */
static void jobs_that_come_together_wake_a_worker_each_and_one_at_a_time(void **state) {
    struct meeting meeting;

    (void)state;
    assert_int_equal(queue_init(&meeting.queue, TOGETHER, 1), 0);
    assert_int_equal(pthread_barrier_init(&meeting.all, NULL, TOGETHER + 1), 0);
    for (size_t i = 0; i < TOGETHER; i++)
        assert_int_equal(thread_start(&meeting.threads[i], "popper", NULL, pop_and_meet, &meeting),
                         0);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        usec_t began = clock_now();

        for (uint64_t n = 0; n < TOGETHER; n++) {
            push_now(&meeting.queue, round * TOGETHER + n);
            lock_acquire(&meeting.queue.lock);
            size_t coming = meeting.queue.coming;
            lock_release(&meeting.queue.lock);
            assert_true(coming <= 1 || clock_now() - began > USEC_PER_SEC / 100);
        }
        (void)pthread_barrier_wait(&meeting.all);
    }
    queue_close(&meeting.queue);
    for (size_t i = 0; i < TOGETHER; i++)
        thread_join(&meeting.threads[i]);
    pthread_barrier_destroy(&meeting.all);
    queue_destroy(&meeting.queue);
}

static void a_new_bound_keeps_what_waits(void **state) {
    struct queue queue;
    struct job job = job_number(9);

    (void)state;
    assert_int_equal(queue_init(&queue, 3, 1), 0);
    push_now(&queue, 1);
    assert_int_equal(pop(&queue), 1);
    for (uint64_t n = 2; n <= 4; n++)
        push_now(&queue, n); /* around the end of the ring */
    assert_int_equal(queue_resize(&queue, 2, 1), 0);
    assert_false(queue_try_push(&queue, &job));
    assert_int_equal(queue_resize(&queue, 5, 2), 0);
    push_now(&queue, 5);
    assert_true(queue_oldest(&queue) > 0);
    for (uint64_t n = 2; n <= 5; n++)
        assert_int_equal(pop(&queue), n);
    assert_int_equal(queue_oldest(&queue), 0);
    queue_destroy(&queue);
}

/* A smaller bound than there are jobs, and at the stop one more from each acceptor. */
static void a_smaller_bound_leaves_room_for_what_comes(void **state) {
    struct queue queue;
    struct job job;

    (void)state;
    assert_int_equal(queue_init(&queue, 3, 2), 0);
    for (uint64_t n = 1; n <= 3; n++)
        push_now(&queue, n);
    assert_int_equal(queue_resize(&queue, 1, 4), 0);
    assert_int_equal(queue_resize(&queue, 1, 4), 0);
    queue_unbind(&queue);
    for (uint64_t n = 4; n <= 7; n++) {
        job = job_number(n);
        queue_push(&queue, &job);
    }
    for (uint64_t n = 1; n <= 7; n++)
        assert_int_equal(pop(&queue), n);
    queue_destroy(&queue);
}

static void the_dismissed_end_and_the_others_go_on(void **state) {
    struct queue queue;
    struct pusher poppers[3];

    (void)state;
    assert_int_equal(queue_init(&queue, 2, 1), 0);
    queue_dismiss(&queue, 2); /* nobody is there to hear it yet */
    assert_int_equal(queue_keep(&queue, 1), 1);
    for (size_t i = 0; i < ARRAY_LEN(poppers); i++) {
        poppers[i] = (struct pusher){.queue = &queue};
        assert_int_equal(thread_start(&poppers[i].thread, "popper", NULL, pop_all, &poppers[i]), 0);
    }
    for (size_t idle = 0; idle < 2;) {
        struct queue_waiter *waiter;

        idle = 0;
        lock_acquire(&queue.lock);
        SLIST_FOREACH(waiter, &queue.idle, link)
        idle++;
        lock_release(&queue.lock);
    }
    assert_int_equal(queue_keep(&queue, 5), 0);
    queue_dismiss(&queue, 1);
    push_now(&queue, 7);
    queue_close(&queue);
    uint64_t sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(poppers); i++) {
        thread_join(&poppers[i].thread);
        sum += poppers[i].sum;
    }
    assert_int_equal(sum, 7);
    queue_destroy(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out_around_the_ring),
        cmocka_unit_test(a_full_queue_refuses_and_leaves_the_job),
        cmocka_unit_test(push_waits_for_room),
        cmocka_unit_test(every_waiter_hears_of_room),
        cmocka_unit_test(unbinding_lets_a_waiting_push_through),
        cmocka_unit_test(jobs_that_come_together_wake_a_worker_each_and_one_at_a_time),
        cmocka_unit_test(a_new_bound_keeps_what_waits),
        cmocka_unit_test(a_smaller_bound_leaves_room_for_what_comes),
        cmocka_unit_test(the_dismissed_end_and_the_others_go_on),
        cmocka_unit_test(a_closed_queue_is_emptied_first),
        cmocka_unit_test(many_threads_lose_nothing),
    };

    alarm(30); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
