/* health/health_target: when checks are due. Pure: moments are handed in. */
#include "unit.h"

#include <stdlib.h>

#include "health/health_target.h"

static struct health_check_config config;

static struct health_target make(uint64_t number, bool soon) {
    const struct check_wish wish = {.config = &config, .number = number, .soon = soon};
    struct health_target target;

    health_target_init(&target, &wish);
    return target;
}

static int set_up(void **state) {
    (void)state;
    config = (struct health_check_config){.interval = USEC_PER_SEC};
    return 0;
}

static int compare(const void *a, const void *b) {
    const usec_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void assert_apart(usec_t *moments, size_t n, usec_t least) {
    qsort(moments, n, sizeof(*moments), compare);
    for (size_t i = 1; i < n; i++)
        assert_true(moments[i] - moments[i - 1] > least);
}

static const usec_t intervals[] = {10 * USEC_PER_MSEC, 50 * USEC_PER_MSEC, 2 * USEC_PER_SEC,
                                   3600 * USEC_PER_SEC};

/* Ten targets that come at any moments: no two checks begin within a fortieth of the interval of
 * each other, however late the thread is each time; and a target's own are an interval apart. */
static void checks_are_spread_for_ever(void **state) {
    (void)state;
    srand(1);
    for (size_t i = 0; i < ARRAY_LEN(intervals); i++) {
        usec_t moments[10], interval = config.interval = intervals[i];

        for (uint64_t number = 0; number < 10; number++) {
            struct health_target target = make(number, true);
            usec_t now = 123456789 + rand() % 1000000, due = health_target_next(&target, now);

            for (int round = 0; round < 1000; round++) {
                usec_t late = rand() % (interval / 10), next;

                assert_true(due > now && due <= now + interval);
                next = health_target_next(&target, due + late);
                assert_int_equal(next, due + interval);
                now = due + late;
                due = next;
            }
            moments[number] = due % interval;
        }
        assert_apart(moments, 10, interval / 40);
    }
}

static void first_checks_are_soon_and_spread(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(intervals); i++) {
        usec_t moments[10], now = 123456789, half_second = 500 * USEC_PER_MSEC;

        config.interval = intervals[i];
        usec_t within = intervals[i] < half_second ? intervals[i] : half_second;
        for (uint64_t number = 0; number < 10; number++) {
            struct health_target target = make(number, true);

            moments[number] = health_target_first(&target, now);
            assert_true(moments[number] >= now && moments[number] <= now + within);
        }
        assert_apart(moments, 10, within / 40);
    }
}

/* One that was checked a moment ago, under the configuration before, has its turn when it would
 * have had it anyway. */
static void who_was_checked_lately_keeps_its_place(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(intervals); i++)
        for (uint64_t number = 0; number < 10; number++) {
            struct health_target former = make(number, true), target = make(number, false);
            usec_t now = 987654321 + (usec_t)number;

            config.interval = intervals[i];
            assert_int_equal(health_target_first(&target, now), health_target_next(&former, now));
        }
}

/* A check that takes longer than the interval: the next one begins with its end, and the one after
 * that has its own place again. */
static void a_long_check_costs_no_place(void **state) {
    struct health_target target = make(3, true);
    usec_t due = health_target_next(&target, 0);

    (void)state;
    usec_t ended = due + config.interval * 5 / 2;
    assert_int_equal(health_target_next(&target, ended), due + 3 * config.interval);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(checks_are_spread_for_ever, set_up),
        cmocka_unit_test_setup(first_checks_are_soon_and_spread, set_up),
        cmocka_unit_test_setup(who_was_checked_lately_keeps_its_place, set_up),
        cmocka_unit_test_setup(a_long_check_costs_no_place, set_up),
    };

    return cmocka_run_group_tests_name("health_target", tests, NULL, NULL);
}
