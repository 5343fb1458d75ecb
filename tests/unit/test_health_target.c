/* upstream/health_target: when checks are due, rise and fall, and who flaps. Pure: moments are handed in. */
#include "unit.h"

#include <stdlib.h>

#include "upstream/health_target.h"

static struct health_check_config config;

static struct health_target make(bool down, uint64_t number) {
    const struct health_wish wish = {.config = &config, .down = down};
    struct health_target target;

    health_target_init(&target, &wish, number);
    return target;
}

static int set_up(void **state) {
    (void)state;
    config = (struct health_check_config){.interval = USEC_PER_SEC, .rise = 2, .fall = 3};
    return 0;
}

/* So many checks in a row, of which only the last changes something; or none, if checks is 0 there. */
static struct health_news take(struct health_target *target, int64_t n, bool good, usec_t now) {
    struct health_news news = {.changed = false};

    for (int64_t i = 0; i < n; i++) {
        assert_false(news.changed);
        news = health_target_judge(target, good, now);
    }
    return news;
}

static void rise_and_fall_are_exact(void **state) {
    (void)state;
    for (config.rise = 1; config.rise < 5; config.rise++)
        for (config.fall = 1; config.fall < 5; config.fall++) {
            struct health_target target = make(false, 0);

            assert_false(take(&target, 1, true, 1).changed);
            if (config.fall > 1) {
                assert_false(take(&target, config.fall - 1, false, 1).changed);
                assert_false(take(&target, 1, true, 1).changed); /* the row is broken */
            }
            struct health_news news = take(&target, config.fall, false, 1);
            assert_true(news.changed && target.down);
            assert_int_equal(news.checks, config.fall);
            if (config.rise > 1) {
                assert_false(take(&target, config.rise - 1, true, 1).changed);
                assert_false(take(&target, 1, false, 1).changed);
            }
            news = take(&target, config.rise, true, 1);
            assert_true(news.changed && !target.down);
            assert_int_equal(news.checks, config.rise);
        }
}

static void the_first_check_decides_alone(void **state) {
    struct health_target target = make(false, 0);

    (void)state;
    struct health_news news = take(&target, 1, false, 1);
    assert_true(news.changed && target.down);
    assert_int_equal(news.checks, 1);
    assert_true(take(&target, 2, true, 1).changed); /* from then on as ever */
}

static void who_is_known_to_be_down_rises_as_ever(void **state) {
    struct health_target target = make(true, 0);

    (void)state;
    assert_false(take(&target, 1, true, 1).changed);  /* nothing is special with the first check */
    assert_false(take(&target, 1, false, 1).changed); /* known, so not told again */
    assert_false(take(&target, 1, true, 1).changed);
    assert_true(take(&target, 1, true, 1).changed);
    assert_false(target.down);
}

static void who_flaps_is_held_down_longer_and_longer(void **state) {
    static const int64_t rise[] = {2, 2, 4, 8, 16, 32, 64, 128, 128, 128};
    struct health_target target = make(false, 0);
    usec_t now = USEC_PER_SEC;

    (void)state;
    (void)take(&target, 1, true, now);
    for (size_t i = 0; i < ARRAY_LEN(rise); i++) {
        struct health_news news = take(&target, 3, false, now);

        assert_true(news.changed);
        assert_int_equal(news.flaps, i > 0 && rise[i] != rise[i - 1]); /* told once for each step */
        assert_int_equal(health_target_rise(&target), rise[i]);
        now += rise[i] *
               USEC_PER_SEC; /* more than the window in the end: that is no reason to forgive */
        news = take(&target, rise[i], true, now);
        assert_true(news.changed && !news.flaps);
        now += FLAP_SPAN / 4; /* up for a while, but not for the window */
        assert_false(take(&target, 1, true, now).flaps);
    }
    now = target.up_since + FLAP_SPAN;
    assert_false(take(&target, 1, true, now - 1).flaps);
    assert_true(take(&target, 1, true, now).flaps); /* it has calmed down, and that is told once */
    assert_false(take(&target, 1, true, now + 1).flaps);
    assert_int_equal(health_target_rise(&target), 2);
    assert_false(take(&target, 3, false, now + FLAP_SPAN).flaps); /* what was before is forgotten */
}

static void three_times_within_the_window_is_flapping_and_seldom_is_not(void **state) {
    static const struct {
        usec_t interval, window;
    } cases[] = {
        {10 * USEC_PER_MSEC, 60 * USEC_PER_SEC},
        {2 * USEC_PER_SEC, 60 * USEC_PER_SEC},
        {30 * USEC_PER_SEC, 600 * USEC_PER_SEC},
        {3600 * USEC_PER_SEC, 72000 * USEC_PER_SEC},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int beyond = 0; beyond < 2; beyond++) {
            struct health_target target = make(false, 0);
            usec_t now = USEC_PER_SEC, pause = cases[i].window / 2 + beyond;

            config.interval = cases[i].interval;
            (void)take(&target, 1, true, now);
            for (int downs = 1; downs <= 6; downs++, now += pause) {
                bool flaps = take(&target, 3, false, now).flaps;

                assert_int_equal(flaps, beyond == 0 && downs >= 3);
                (void)take(&target, health_target_rise(&target), true, now);
            }
        }
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

/* Ten targets that come at any moments: no two checks begin within a fortieth of the interval of each other, however
 * late the thread is each time; and a target's own are an interval apart. */
static void checks_are_spread_for_ever(void **state) {
    (void)state;
    srand(1);
    for (size_t i = 0; i < ARRAY_LEN(intervals); i++) {
        usec_t moments[10], interval = config.interval = intervals[i];

        for (uint64_t number = 0; number < 10; number++) {
            struct health_target target = make(false, number);
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
            struct health_target target = make(false, number);

            moments[number] = health_target_first(&target, now);
            assert_true(moments[number] >= now && moments[number] <= now + within);
        }
        assert_apart(moments, 10, within / 40);
    }
}

/* A check that takes longer than the interval: the next one begins with its end, and the one after that has its own
 * place again. */
static void a_long_check_costs_no_place(void **state) {
    struct health_target target = make(false, 3);
    usec_t due = health_target_next(&target, 0);

    (void)state;
    usec_t ended = due + config.interval * 5 / 2;
    assert_int_equal(health_target_next(&target, ended), due + 3 * config.interval);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rise_and_fall_are_exact, set_up),
        cmocka_unit_test_setup(the_first_check_decides_alone, set_up),
        cmocka_unit_test_setup(who_is_known_to_be_down_rises_as_ever, set_up),
        cmocka_unit_test_setup(who_flaps_is_held_down_longer_and_longer, set_up),
        cmocka_unit_test_setup(three_times_within_the_window_is_flapping_and_seldom_is_not, set_up),
        cmocka_unit_test_setup(checks_are_spread_for_ever, set_up),
        cmocka_unit_test_setup(first_checks_are_soon_and_spread, set_up),
        cmocka_unit_test_setup(a_long_check_costs_no_place, set_up),
    };

    return cmocka_run_group_tests_name("health_target", tests, NULL, NULL);
}
