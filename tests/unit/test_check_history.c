/* health/check_history: rise and fall, and who flaps. Pure: moments are handed in. */
#include "unit.h"

#include "health/check_history.h"

static struct health_check_config config;

static int set_up(void **state) {
    (void)state;
    config = (struct health_check_config){.interval = USEC_PER_SEC, .rise = 2, .fall = 3};
    return 0;
}

/* So many checks in a row, of which only the last changes something; or none, if checks is 0
 * there. */
static struct check_news take(struct check_history *history, int64_t n, bool good, usec_t now) {
    struct check_news news = {.changed = false};

    for (int64_t i = 0; i < n; i++) {
        assert_false(news.changed);
        news = check_history_judge(history, &config, good, now);
    }
    return news;
}

static void rise_and_fall_are_exact(void **state) {
    (void)state;
    for (config.rise = 1; config.rise < 5; config.rise++)
        for (config.fall = 1; config.fall < 5; config.fall++) {
            struct check_history history = {.decided = false};

            assert_false(take(&history, 1, true, 1).changed);
            if (config.fall > 1) {
                assert_false(take(&history, config.fall - 1, false, 1).changed);
                assert_false(take(&history, 1, true, 1).changed); /* the row is broken */
            }
            struct check_news news = take(&history, config.fall, false, 1);
            assert_true(news.changed && history.down);
            assert_int_equal(news.checks, config.fall);
            if (config.rise > 1) {
                assert_false(take(&history, config.rise - 1, true, 1).changed);
                assert_false(take(&history, 1, false, 1).changed);
            }
            news = take(&history, config.rise, true, 1);
            assert_true(news.changed && !history.down);
            assert_int_equal(news.checks, config.rise);
        }
}

static void the_first_check_decides_alone(void **state) {
    struct check_history history = {.decided = false};

    (void)state;
    struct check_news news = take(&history, 1, false, 1);
    assert_true(news.changed && history.down);
    assert_int_equal(news.checks, 1);
    assert_true(take(&history, 2, true, 1).changed); /* from then on as ever */
}

static void who_is_known_to_be_down_rises_as_ever(void **state) {
    struct check_history history = {.decided = true, .down = true};

    (void)state;
    assert_false(take(&history, 1, true, 1).changed);  /* nothing is special with the first check */
    assert_false(take(&history, 1, false, 1).changed); /* known, so not told again */
    assert_false(take(&history, 1, true, 1).changed);
    assert_true(take(&history, 1, true, 1).changed);
    assert_false(history.down);
}

static void who_flaps_is_held_down_longer_and_longer(void **state) {
    static const int64_t rise[] = {2, 2, 4, 8, 16, 32, 64, 128, 128, 128};
    struct check_history history = {.decided = false};
    usec_t now = USEC_PER_SEC;

    (void)state;
    (void)take(&history, 1, true, now);
    for (size_t i = 0; i < ARRAY_LEN(rise); i++) {
        struct check_news news = take(&history, 3, false, now);

        assert_true(news.changed);
        assert_int_equal(news.flaps, i > 0 && rise[i] != rise[i - 1]); /* told once for each step */
        assert_int_equal(check_history_rise(&history, &config), rise[i]);
        now += rise[i] *
               USEC_PER_SEC; /* more than the window in the end: that is no reason to forgive */
        news = take(&history, rise[i], true, now);
        assert_true(news.changed && !news.flaps);
        now += FLAP_SPAN / 4; /* up for a while, but not for the window */
        assert_false(take(&history, 1, true, now).flaps);
    }
    now = history.since + FLAP_SPAN;
    assert_false(take(&history, 1, true, now - 1).flaps);
    assert_true(take(&history, 1, true, now).flaps); /* it has calmed down, and that is told once */
    assert_false(take(&history, 1, true, now + 1).flaps);
    assert_int_equal(check_history_rise(&history, &config), 2);
    assert_false(
        take(&history, 3, false, now + FLAP_SPAN).flaps); /* what was before is forgotten */
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
            struct check_history history = {.decided = false};
            usec_t now = USEC_PER_SEC, pause = cases[i].window / 2 + beyond;

            config.interval = cases[i].interval;
            (void)take(&history, 1, true, now);
            for (int downs = 1; downs <= 6; downs++, now += pause) {
                bool flaps = take(&history, 3, false, now).flaps;

                assert_int_equal(flaps, beyond == 0 && downs >= 3);
                (void)take(&history, check_history_rise(&history, &config), true, now);
            }
        }
}

/* As after a reload: what has been counted so far counts under the new numbers. */
static void counts_go_on_when_the_configuration_changes(void **state) {
    struct check_history history = {.decided = false};

    (void)state;
    assert_false(take(&history, 1, true, 1).changed);
    assert_false(take(&history, 2, false, 2).changed);
    config.fall = 5;
    assert_false(take(&history, 2, false, 3).changed);
    config.fall = 2; /* there were more already */
    struct check_news news = take(&history, 1, false, 4);
    assert_true(news.changed && history.down);
    assert_int_equal(news.checks, 5);
    assert_int_equal(history.since, 4);
    assert_false(take(&history, 1, true, 5).changed);
    config.rise = 3;
    assert_false(take(&history, 1, true, 6).changed);
    assert_true(take(&history, 1, true, 7).changed);
    assert_int_equal(history.since, 7);
}

static void who_is_not_checked_is_up_and_its_flapping_stays_known(void **state) {
    struct check_history history = {.decided = false};

    (void)state;
    for (int i = 0; i < 3; i++) {
        (void)take(&history, i == 0 ? 1 : 3, false, 1 + i);
        if (i < 2)
            (void)take(&history, 2, true, 1 + i);
    }
    assert_true(history.down);
    assert_int_equal(check_history_rise(&history, &config), 4);
    check_history_pause(&history, true, 10);
    assert_false(history.down);
    assert_int_equal(history.since, 10);
    assert_false(
        take(&history, 2, false, 11).changed); /* it was in use: one check alone says little */
    assert_true(take(&history, 1, false, 12).changed);
    assert_int_equal(check_history_rise(&history, &config), 8);
    check_history_pause(&history, false, 13);
    assert_true(take(&history, 1, false, 14).changed); /* it was not */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rise_and_fall_are_exact, set_up),
        cmocka_unit_test_setup(the_first_check_decides_alone, set_up),
        cmocka_unit_test_setup(who_is_known_to_be_down_rises_as_ever, set_up),
        cmocka_unit_test_setup(who_flaps_is_held_down_longer_and_longer, set_up),
        cmocka_unit_test_setup(three_times_within_the_window_is_flapping_and_seldom_is_not, set_up),
        cmocka_unit_test_setup(counts_go_on_when_the_configuration_changes, set_up),
        cmocka_unit_test_setup(who_is_not_checked_is_up_and_its_flapping_stays_known, set_up),
    };

    return cmocka_run_group_tests_name("check_history", tests, NULL, NULL);
}
