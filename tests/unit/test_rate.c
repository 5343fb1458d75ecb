/* conn/rate: who is too slow over five seconds, and whose time does not count. */
#include "unit.h"

#include "conn/rate.h"

#define MIN_RATE 1000

/* Looks each `step` from `now` on, for `span`, at one that moves so many bytes between them. */
static bool is_slow_within(struct rate_watch *watch, usec_t now, usec_t step, usec_t span,
                           uint64_t each) {
    uint64_t moved = watch->moved;

    for (usec_t t = 0; t <= span; t += step, moved += each)
        if (rate_is_slow(watch, true, moved, MIN_RATE, now + t))
            return true;
    return false;
}

static void it_is_a_mean_over_five_seconds(void **state) {
    struct rate_watch watch = {0};

    (void)state;
    assert_false(is_slow_within(&watch, USEC_PER_SEC, USEC_PER_SEC, 60 * USEC_PER_SEC, MIN_RATE));
    watch = (struct rate_watch){0};
    assert_false(is_slow_within(&watch, USEC_PER_SEC, USEC_PER_SEC, 4 * USEC_PER_SEC, 0));
    watch = (struct rate_watch){0};
    assert_true(is_slow_within(&watch, USEC_PER_SEC, USEC_PER_SEC, 5 * USEC_PER_SEC, MIN_RATE - 1));
}

static void nobody_else_is_held_to_it(void **state) {
    struct rate_watch watch = {0};

    (void)state;
    for (usec_t t = 1; t < 60; t++)
        assert_false(rate_is_slow(&watch, true, 0, 0, t * USEC_PER_SEC)); /* no rate is asked */
    for (usec_t t = 1; t < 60; t++)
        assert_false(rate_is_slow(&watch, t % 4 != 0, 0, MIN_RATE, t * USEC_PER_SEC));
}

/* Who looks was late: what happened meanwhile is not known, so it begins anew. */
static void time_in_which_nobody_looked_does_not_count(void **state) {
    struct rate_watch watch = {0};
    usec_t now = USEC_PER_SEC;

    (void)state;
    assert_false(rate_is_slow(&watch, true, 0, MIN_RATE, now));
    now += 60 * USEC_PER_SEC;
    assert_false(rate_is_slow(&watch, true, 0, MIN_RATE, now));
    assert_false(is_slow_within(&watch, now, USEC_PER_SEC, 4 * USEC_PER_SEC, 0));
    assert_true(rate_is_slow(&watch, true, 0, MIN_RATE, now + 5 * USEC_PER_SEC));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_a_mean_over_five_seconds),
        cmocka_unit_test(nobody_else_is_held_to_it),
        cmocka_unit_test(time_in_which_nobody_looked_does_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
