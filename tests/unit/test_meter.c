/* base/meter and base/histogram: how many of late, and how long they took. */
#include "unit.h"

#include <pthread.h>

#include "base/histogram.h"
#include "base/meter.h"

#define PERIOD (10 * USEC_PER_SEC)
#define EPOCH  (1234 * PERIOD)

static void add(struct meter *meter, unsigned n, usec_t now) {
    while (n-- > 0)
        meter_add(meter, PERIOD, now);
}

static void expect_count(const struct meter *meter, usec_t now, double wanted) {
    assert_true(meter_count(meter, PERIOD, now) > wanted - 0.001);
    assert_true(meter_count(meter, PERIOD, now) < wanted + 0.001);
}

static void a_count_slides_out(void **state) {
    struct meter meter = {0};

    (void)state;
    expect_count(&meter, EPOCH, 0);
    add(&meter, 20, EPOCH + 5 * USEC_PER_SEC);
    expect_count(&meter, EPOCH + 5 * USEC_PER_SEC, 20);
    assert_true(meter_rate(&meter, PERIOD, EPOCH + 5 * USEC_PER_SEC) == 2);
    expect_count(&meter, EPOCH + PERIOD, 20);
    expect_count(&meter, EPOCH + PERIOD + PERIOD / 4, 15);
    expect_count(&meter, EPOCH + 2 * PERIOD - 1, 0);
    expect_count(&meter, EPOCH + 2 * PERIOD, 0);
    expect_count(&meter, EPOCH + 1000 * PERIOD, 0);
}

static void the_period_before_counts_in_part(void **state) {
    struct meter meter = {0};

    (void)state;
    add(&meter, 8, EPOCH);
    add(&meter, 3, EPOCH + PERIOD);
    expect_count(&meter, EPOCH + PERIOD + PERIOD / 2, 3 + 4);
    add(&meter, 1, EPOCH + 3 * PERIOD); /* all before is forgotten */
    expect_count(&meter, EPOCH + 3 * PERIOD, 1);
}

/* Of two threads, the one that read its clock first may come last. */
static void a_clock_that_lags_forgets_nothing(void **state) {
    struct meter meter = {0};

    (void)state;
    add(&meter, 5, EPOCH);
    add(&meter, 2, EPOCH - 1);
    expect_count(&meter, EPOCH, 7);
}

static void a_flood_stays_at_the_most(void **state) {
    struct meter meter = {.word = (uint64_t)1234 << 40 | (METER_MOST - 1)};

    (void)state;
    add(&meter, 5, EPOCH);
    expect_count(&meter, EPOCH, METER_MOST);
    add(&meter, 1, EPOCH + PERIOD);
    expect_count(&meter, EPOCH + PERIOD, METER_MOST + 1.0);
}

#define EACH 20000

static void *add_many(void *meter) {
    add(meter, EACH, EPOCH);
    return NULL;
}

static void threads_lose_none(void **state) {
    struct meter meter = {0};
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &meter), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    expect_count(&meter, EPOCH, 4 * EACH);
}

static void bounds_grow(void **state) {
    (void)state;
    assert_int_equal(histogram_bound(HISTOGRAM_SHORT, 0), 50);
    assert_int_equal(histogram_bound(HISTOGRAM_SHORT, 1), 100);
    assert_int_equal(histogram_bound(HISTOGRAM_SHORT, 19), 100 * USEC_PER_SEC);
    assert_int_equal(histogram_bound(HISTOGRAM_LONG, 0), 10 * USEC_PER_MSEC);
    assert_int_equal(histogram_bound(HISTOGRAM_LONG, 19), 20000 * USEC_PER_SEC);
    for (size_t i = 1; i < HISTOGRAM_BUCKETS; i++)
        assert_true(histogram_bound(HISTOGRAM_LONG, i) > histogram_bound(HISTOGRAM_LONG, i - 1));
}

static void each_time_has_its_bucket(void **state) {
    struct histogram histogram = {.scale = HISTOGRAM_SHORT};

    (void)state;
    histogram_add(&histogram, 0);
    histogram_add(&histogram, 50);
    histogram_add(&histogram, 51);
    histogram_add(&histogram, 1000 * USEC_PER_SEC);
    assert_int_equal(histogram.counts[0], 2);
    assert_int_equal(histogram.counts[1], 1);
    assert_int_equal(histogram.counts[HISTOGRAM_BUCKETS], 1);
    assert_int_equal(histogram.sum, 101 + 1000 * USEC_PER_SEC);
}

static void quantiles_are_within_their_bucket(void **state) {
    struct recent_times times = {0};
    usec_t now = 77 * RECENT_WINDOW;

    (void)state;
    assert_true(recent_times_quantile(&times, 0.5, now) < 0);
    for (int i = 0; i < 98; i++)
        recent_times_add(&times, 300, now);
    recent_times_add(&times, 30000, now);
    recent_times_add(&times, 30000, now);
    usec_t median = recent_times_quantile(&times, 0.5, now),
           worst = recent_times_quantile(&times, 0.99, now);
    assert_true(median > 200 && median <= 500);
    assert_true(worst > 20000 && worst <= 50000);
}

static void old_times_are_forgotten(void **state) {
    struct recent_times times = {0};
    usec_t now = 77 * RECENT_WINDOW;

    (void)state;
    recent_times_add(&times, 30000, now);
    assert_true(recent_times_quantile(&times, 0.5, now + RECENT_WINDOW) > 20000);
    recent_times_add(&times, 100, now + RECENT_WINDOW);
    assert_true(recent_times_quantile(&times, 0.5, now + RECENT_WINDOW) <= 100);
    recent_times_add(&times, 100, now + 2 * RECENT_WINDOW); /* in place of the first */
    assert_true(recent_times_quantile(&times, 1, now + 2 * RECENT_WINDOW) <= 100);
    assert_true(recent_times_quantile(&times, 0.5, now + 4 * RECENT_WINDOW) < 0);
    recent_times_add(&times, 1000 * USEC_PER_SEC, now + 9 * RECENT_WINDOW);
    assert_int_equal(recent_times_quantile(&times, 0.5, now + 9 * RECENT_WINDOW),
                     100 * USEC_PER_SEC);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_count_slides_out),
        cmocka_unit_test(the_period_before_counts_in_part),
        cmocka_unit_test(a_clock_that_lags_forgets_nothing),
        cmocka_unit_test(a_flood_stays_at_the_most),
        cmocka_unit_test(threads_lose_none),
        cmocka_unit_test(bounds_grow),
        cmocka_unit_test(each_time_has_its_bucket),
        cmocka_unit_test(quantiles_are_within_their_bucket),
        cmocka_unit_test(old_times_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
