/* conn/leg_pool: idle legs, who may have them, and when they are closed. */
#include "tcp_pair.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "conn/leg_pool.h"

static struct leg_pool pool;
static struct member *one, *other;
static const int web = 1, api = 2, app = 3;

static int make(void **state) UNCHECKED {
    struct addr addr = {0};

    (void)state;
    leg_pool_init(&pool);
    one = member_new("app", "a", &addr);
    other = member_new("app", "b", &addr);
    assert_true(one != NULL && other != NULL);
    return 0;
}

/* All references were given back, and all descriptors: what the sanitizers say, and these. */
static int drop(void **state) UNCHECKED {
    (void)state;
    leg_pool_destroy(&pool);
    assert_int_equal(atomic_load(&one->refs), 1);
    assert_int_equal(atomic_load(&other->refs), 1);
    member_unref(one);
    member_unref(other);
    return 0;
}

static struct idle_leg leg_on(int fd, struct member *member) {
    return (struct idle_leg){.listener = &web,
                             .upstream = &app,
                             .epoch = leg_pool_epoch(&pool),
                             .fd = fd,
                             .member = member_ref(member),
                             .served = 2,
                             .received = 77};
}

/* Returns the server's end. */
static int put(struct member *member) {
    int near, far;

    tcp_pair(&near, &far);
    struct idle_leg leg = leg_on(near, member);
    (void)leg_pool_put(&pool, &leg);
    assert_int_equal(leg.fd, -1);
    assert_null(leg.member);
    return far;
}

static bool take(struct member *member) {
    struct idle_leg leg;

    if (!leg_pool_take(&pool, &web, &app, member, &leg))
        return false;
    assert_ptr_equal(leg.member, member);
    assert_int_equal(leg.served, 2);
    assert_int_equal(leg.received, 77);
    idle_leg_close(&leg);
    return true;
}

static void assert_ended(int far) {
    char byte;

    assert_int_equal(recv(far, &byte, 1, 0), 0);
    close(far);
}

static void assert_open(int far) {
    char byte;

    assert_int_equal(recv(far, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

static void one_that_was_put_is_taken_once(void **state) UNCHECKED {
    (void)state;
    assert_false(leg_pool_has_any(&pool));
    int far = put(one);
    assert_true(leg_pool_has_any(&pool));
    assert_true(take(one));
    assert_false(take(one));
    assert_false(leg_pool_has_any(&pool));
    assert_ended(far);
}

static void others_do_not_get_it(void **state) UNCHECKED {
    struct idle_leg leg;

    (void)state;
    int far = put(one);
    assert_false(take(other));
    assert_false(leg_pool_take(&pool, &api, &app, one, &leg));
    assert_false(leg_pool_take(&pool, &web, &api, one, &leg));
    assert_open(far);
    assert_true(take(one));
    assert_ended(far);
}

static void one_that_has_ended_or_has_spoken_is_closed(void **state) UNCHECKED {
    (void)state;
    int silent = put(one), ended = put(one), speaks = put(one);
    char byte;

    assert_int_equal(shutdown(ended, SHUT_WR), 0);
    assert_int_equal(send(speaks, "H", 1, 0), 1);
    assert_true(take(one));
    assert_int_equal(recv(ended, &byte, 1, 0), 0);
    (void)recv(speaks, &byte, 1, 0); /* its end, or a reset: a byte was not read */
    assert_false(leg_pool_has_any(&pool));
    assert_ended(silent);
    close(ended);
    close(speaks);
}

static void the_newest_comes_first(void **state) UNCHECKED {
    (void)state;
    int older = put(one), newer = put(one);

    assert_true(take(one));
    assert_ended(newer);
    assert_open(older);
    assert_true(take(one));
    assert_ended(older);
}

static void one_from_before_is_not_kept(void **state) UNCHECKED {
    int near, far;

    (void)state;
    int idle = put(one);
    tcp_pair(&near, &far);
    struct idle_leg leg = leg_on(near, one);
    leg_pool_clear(&pool);
    assert_ended(idle);
    assert_false(leg_pool_put(&pool, &leg));
    assert_ended(far);
    assert_false(leg_pool_has_any(&pool));
    close(put(one));
    assert_true(leg_pool_has_any(&pool));
}

static void the_oldest_makes_room(void **state) UNCHECKED {
    int far[LEG_POOL_MAX + 3];

    (void)state;
    for (int i = 0; i < LEG_POOL_MAX + 3; i++)
        far[i] = put(one);
    for (int i = 0; i < LEG_POOL_MAX + 3; i++) {
        if (i < 3)
            assert_ended(far[i]);
        else
            assert_open(far[i]);
    }
    leg_pool_clear(&pool);
    for (int i = 3; i < LEG_POOL_MAX + 3; i++)
        assert_ended(far[i]);
    for (int i = 0; i < LEG_POOL_MAX; i++) /* all places are free again */
        close(put(one));
}

static void make_older(usec_t span) UNCHECKED {
    struct idle_leg *leg;

    TAILQ_FOREACH(leg, &pool.legs, entry)
        leg->since -= span;
}

static void one_whose_time_is_up_is_closed_and_not_taken(void **state) UNCHECKED {
    (void)state;
    assert_int_equal(leg_pool_trim(&pool), USEC_NEVER);
    int old = put(one);
    assert_in_range(leg_pool_trim(&pool), clock_coarse(), clock_now() + LEG_IDLE_MAX);
    make_older(LEG_IDLE_MAX);
    int young = put(one);
    assert_true(take(one));
    assert_ended(young);
    assert_false(take(one)); /* even before it was trimmed */
    assert_open(old);
    assert_int_equal(leg_pool_trim(&pool), USEC_NEVER);
    assert_ended(old);
}

static void who_puts_the_only_one_is_told(void **state) UNCHECKED {
    int near, far;

    (void)state;
    for (int i = 0; i < 3; i++) {
        tcp_pair(&near, &far);
        struct idle_leg leg = leg_on(near, one);
        assert_true(leg_pool_put(&pool, &leg) == (i == 0));
        close(far);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_was_put_is_taken_once, make, drop),
        cmocka_unit_test_setup_teardown(others_do_not_get_it, make, drop),
        cmocka_unit_test_setup_teardown(one_that_has_ended_or_has_spoken_is_closed, make, drop),
        cmocka_unit_test_setup_teardown(the_newest_comes_first, make, drop),
        cmocka_unit_test_setup_teardown(one_from_before_is_not_kept, make, drop),
        cmocka_unit_test_setup_teardown(the_oldest_makes_room, make, drop),
        cmocka_unit_test_setup_teardown(one_whose_time_is_up_is_closed_and_not_taken, make, drop),
        cmocka_unit_test_setup_teardown(who_puts_the_only_one_is_told, make, drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
