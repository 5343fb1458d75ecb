/* road/openings: who is heard, who waits, who is put out for whom, and how all of it ends. */
#include "unit.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/thread.h"
#include "listen/limit.h"
#include "road/generation.h"
#include "road/opener.h"
#include "road/openings.h"
#include "tcp_pair.h"

enum { MANY = 32 };
enum fate { OPEN, SERVED, PUT_OUT, TIMED_OUT, STOPPED, ENDED };

struct scene {
    struct openings openings;
    struct listener_config config;
    struct route route;
    struct limit *limit[2]; /* of two listeners */
    int far[MANY];          /* the clients' ends */
    atomic_int fate[MANY];
};

/* No further thread is to be had; it takes until this has returned to find that. */
static void (*_Atomic before_no_thread)(void);

int __real_opener_start(struct opener *opener, thread_fn *fn);
int __wrap_opener_start(struct opener *opener, thread_fn *fn);

int __wrap_opener_start(struct opener *opener, thread_fn *fn) {
    void (*before)(void) = atomic_load(&before_no_thread);

    if (before == NULL)
        return __real_opener_start(opener, fn);
    before();
    return -EAGAIN;
}

static enum fate fate_of(ssize_t n) {
    return n > 0             ? SERVED
           : n == -EUSERS    ? PUT_OUT
           : n == -ETIMEDOUT ? TIMED_OUT
           : n == -ECANCELED ? STOPPED
                             : ENDED;
}

/* Hears one byte. */
static void serve(void *arg, struct opening *opening) {
    struct scene *scene = arg;
    uint64_t number = opening->job.record.number;
    char byte;
    ssize_t n = openings_peek(opening, &byte, 1, opening->deadline);

    if (!openings_keep(opening) && n > 0)
        n = -EUSERS;
    opening->job.route = NULL;
    holdings_give_back(&opening->job.has);
    atomic_store(&scene->fate[number], fate_of(n));
}

static void begin(struct scene *scene, size_t max, size_t capacity, size_t lanes) {
    memset(scene, 0, sizeof(*scene));
    scene->config.opening_timeout = 20 * USEC_PER_SEC;
    scene->route.config = &scene->config;
    scene->limit[0] = limit_new();
    scene->limit[1] = limit_new();
    openings_init(&scene->openings, serve, scene);
    openings_set(&scene->openings, max, capacity, lanes);
    assert_int_equal(openings_begin(&scene->openings), 0);
}

static void finish(struct scene *scene) {
    while (!openings_stop_until(&scene->openings, clock_now() + 10 * USEC_PER_MSEC))
        continue;
    openings_destroy(&scene->openings);
    for (int i = 0; i < MANY; i++)
        if (scene->far[i] > 0)
            close(scene->far[i]);
    limit_unref(scene->limit[0]);
    limit_unref(scene->limit[1]);
}

static int push(struct scene *scene, int number, int listener, bool beyond) {
    struct job job = {.has = HOLDINGS_NONE, .route = &scene->route};

    job.record.number = (uint64_t)number;
    job.record.accepted = clock_now();
    assert_true(seat_enter(&job.has.seat, scene->limit[listener]));
    tcp_pair(&job.has.client, &scene->far[number]);
    int r = openings_push(&scene->openings, &job, beyond);
    holdings_give_back(&job.has);
    return r;
}

static void speak(struct scene *scene, int number) {
    assert_int_equal(write(scene->far[number], "x", 1), 1);
}

static enum fate fate_within(struct scene *scene, int number, usec_t span) {
    usec_t until = clock_now() + span;

    while (atomic_load(&scene->fate[number]) == OPEN && clock_now() < until)
        usleep(1000);
    return (enum fate)atomic_load(&scene->fate[number]);
}

static int count(struct scene *scene, enum fate fate) {
    int n = 0;

    for (int i = 0; i < MANY; i++)
        n += scene->far[i] > 0 && atomic_load(&scene->fate[i]) == (int)fate;
    return n;
}

static void wait_until_waiting(struct scene *scene, size_t number) {
    for (size_t n = number + 1; n != number; usleep(1000)) {
        lock_acquire(&scene->openings.lock);
        n = scene->openings.waiting;
        lock_release(&scene->openings.lock);
    }
}

static void the_oldest_silent_one_makes_room(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, 2, 10, 1);
    usec_t began = clock_now();
    assert_int_equal(push(&scene, 0, 0, false), 0);
    assert_int_equal(push(&scene, 1, 0, false), 0);
    assert_int_equal(push(&scene, 2, 0, false), 0);
    speak(&scene, 2);
    assert_int_equal(fate_within(&scene, 2, 10 * USEC_PER_SEC), SERVED);
    assert_true(clock_now() - began >= OPENING_PATIENCE - 20 * USEC_PER_MSEC);
    assert_int_equal(count(&scene, PUT_OUT), 1); /* was enough */
    /* The other one is ripe now: whoever comes does not wait. */
    usleep(200000);
    assert_int_equal(push(&scene, 3, 0, false), 0);
    assert_int_equal(push(&scene, 4, 0, false), 0);
    speak(&scene, 4);
    assert_int_equal(fate_within(&scene, 4, OPENING_PATIENCE / 2), SERVED);
    assert_int_equal(count(&scene, PUT_OUT), 2);
    assert_int_equal(atomic_load(&scene.fate[3]), OPEN);
    finish(&scene);
}

static void nobody_is_put_out_for_nobody(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, 2, 10, 1);
    scene.config.opening_timeout = 1500 * USEC_PER_MSEC;
    assert_int_equal(push(&scene, 0, 0, false), 0);
    assert_int_equal(push(&scene, 1, 0, false), 0);
    usleep(1200000);
    assert_int_equal(count(&scene, OPEN), 2);
    speak(&scene, 0);
    assert_int_equal(fate_within(&scene, 0, USEC_PER_SEC), SERVED);
    assert_int_equal(fate_within(&scene, 1, 10 * USEC_PER_SEC), TIMED_OUT);
    finish(&scene);
}

/* Half of four openers are shared out: one for each lane; the other two are anybody's. */
static void a_flood_leaves_openers_to_other_lanes(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, 4, 20, 2);
    for (int i = 0; i < 10; i++)
        assert_int_equal(push(&scene, i, 0, false), 0);
    for (int i = 10; i < 13; i++) {
        assert_int_equal(push(&scene, i, 1, false), 0);
        speak(&scene, i);
        assert_int_equal(fate_within(&scene, i, OPENING_PATIENCE / 2), SERVED);
    }
    assert_int_equal(count(&scene, PUT_OUT), 0);
    finish(&scene);
    assert_int_equal(count(&scene, STOPPED), 10);
}

static void a_full_lane_takes_no_more(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, 1, 2, 1);
    assert_int_equal(push(&scene, 0, 0, false), 0);
    wait_until_waiting(&scene, 0);
    for (int i = 1; i < 3; i++)
        assert_int_equal(push(&scene, i, 0, false), 0);
    assert_int_equal(push(&scene, 3, 0, false), -EAGAIN);
    assert_int_equal(openings_count(&scene.openings), 3);
    assert_int_equal(push(&scene, 4, 1, false), 0); /* another's is not full */
    assert_int_equal(push(&scene, 5, 0, true), 0);
    speak(&scene, 0);
    speak(&scene, 1);
    assert_int_equal(fate_within(&scene, 1, 10 * USEC_PER_SEC), SERVED);
    assert_int_equal(openings_wait_room(&scene.openings, &scene.limit[0]->lane), ROOM_THERE);
    finish(&scene);
    assert_int_equal(atomic_load(&scene.fate[3]), OPEN); /* it stayed the pusher's */
    assert_int_equal(atomic_load(&scene.fate[5]), STOPPED);
}

/* One for each that comes to need it, and no more. */
static void a_full_gate_has_ripe_ones_put_out(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, 8, 10, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(push(&scene, i, 0, false), 0);
        usleep(200000);
    }
    openings_want(&scene.openings, NULL);
    while (count(&scene, PUT_OUT) < 1)
        usleep(1000);
    openings_content(&scene.openings, NULL);
    usleep(100000);
    assert_int_equal(count(&scene, PUT_OUT), 1);
    openings_want(&scene.openings, &scene.limit[1]->lane); /* they are not in that listener's way */
    usleep(50000);
    assert_int_equal(count(&scene, PUT_OUT), 1);
    openings_content(&scene.openings, &scene.limit[1]->lane);
    finish(&scene);
}

static size_t count_ripe(struct scene *scene) {
    const struct opening *opening;
    size_t n = 0;

    lock_acquire(&scene->openings.lock);
    TAILQ_FOREACH(opening, &scene->openings.ripe, entry)
        n++;
    lock_release(&scene->openings.lock);
    return n;
}

/* Also where more of them are ripe. */
static void for_each_that_wants_room_one_is_put_out(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, 8, 10, 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(push(&scene, i, 0, false), 0);
    while (count_ripe(&scene) < 4)
        usleep(1000);
    for (int i = 1; i <= 2; i++) {
        openings_want(&scene.openings, NULL);
        assert_int_equal(count_ripe(&scene), 4 - i);
        while (count(&scene, PUT_OUT) < i) /* its room is taken only then */
            usleep(1000);
        openings_content(&scene.openings, NULL);
    }
    finish(&scene);
    assert_int_equal(count(&scene, STOPPED), 2);
}

static void a_drain_waits_for_nobody_who_is_silent(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, 4, 10, 1);
    for (int i = 0; i < 6; i++)
        assert_int_equal(push(&scene, i, 0, false), 0);
    openings_hurry(&scene.openings);
    assert_int_equal(openings_wait_room(&scene.openings, &scene.limit[0]->lane), ROOM_CLOSED);
    for (int i = 0; i < 6; i++)
        assert_int_equal(fate_within(&scene, i, 2 * OPENING_PATIENCE + USEC_PER_SEC), PUT_OUT);
    while (openings_count(&scene.openings) > 0)
        usleep(1000);
    finish(&scene);
}

static void fewer_openers_end_when_they_are_done(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, 8, 10, 1);
    for (int i = 0; i < 8; i++)
        assert_int_equal(push(&scene, i, 0, false), 0);
    openings_set(&scene.openings, 1, 10, 1);
    for (int i = 0; i < 8; i++)
        speak(&scene, i);
    for (int i = 0; i < 8; i++)
        assert_int_equal(fate_within(&scene, i, 10 * USEC_PER_SEC), SERVED);
    for (size_t n = 8; n != 1; usleep(1000)) {
        lock_acquire(&scene.openings.lock);
        n = scene.openings.n_openers;
        lock_release(&scene.openings.lock);
    }
    assert_int_equal(push(&scene, 8, 0, false), 0);
    speak(&scene, 8);
    assert_int_equal(fate_within(&scene, 8, 10 * USEC_PER_SEC), SERVED);
    finish(&scene);
}

/* What came just before the client's end, or while it was put out, is not lost sight of. */
static void a_client_that_ends(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, 2, 10, 1);
    assert_int_equal(push(&scene, 0, 0, false), 0);
    assert_int_equal(shutdown(scene.far[0], SHUT_WR), 0);
    assert_int_equal(fate_within(&scene, 0, 10 * USEC_PER_SEC), ENDED);
    char why[128];
    assert_true(openings_move(&scene.openings, 0, why, sizeof(why)));
    finish(&scene);
}

static void wait_until_idle(struct openings *openings) {
    for (bool idle = false; !idle; usleep(1000)) {
        lock_acquire(&openings->lock);
        idle = !TAILQ_EMPTY(&openings->idle);
        lock_release(&openings->lock);
    }
}

static struct scene *scene_without_threads;

static void let_the_only_opener_be_idle(void) {
    speak(scene_without_threads, 0);
    wait_until_idle(&scene_without_threads->openings);
}

static void who_got_no_thread_is_heard_by_those_there_are(void **state) {
    struct scene scene;

    (void)state;
    begin(&scene, 2, 10, 1);
    scene_without_threads = &scene;
    wait_until_idle(&scene.openings);
    assert_int_equal(push(&scene, 0, 0, false), 0);
    atomic_store(&before_no_thread, let_the_only_opener_be_idle);
    assert_int_equal(push(&scene, 1, 0, false), 0);
    atomic_store(&before_no_thread, NULL);
    speak(&scene, 1);
    assert_int_equal(fate_within(&scene, 1, 10 * USEC_PER_SEC), SERVED);
    finish(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_silent_one_makes_room),
        cmocka_unit_test(nobody_is_put_out_for_nobody),
        cmocka_unit_test(a_flood_leaves_openers_to_other_lanes),
        cmocka_unit_test(a_full_lane_takes_no_more),
        cmocka_unit_test(a_full_gate_has_ripe_ones_put_out),
        cmocka_unit_test(for_each_that_wants_room_one_is_put_out),
        cmocka_unit_test(a_drain_waits_for_nobody_who_is_silent),
        cmocka_unit_test(fewer_openers_end_when_they_are_done),
        cmocka_unit_test(a_client_that_ends),
        cmocka_unit_test(who_got_no_thread_is_heard_by_those_there_are),
    };

    thread_init_process();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
