/* control/metrics and relayctl/explain: what Prometheus reads, and what people do. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/stats.h"
#include "relayctl/explain.h"
#include "control/metrics.h"
#include "record/ends.h"

static char *text;
static size_t size;

static FILE *begin(void) {
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    return out;
}

static void expect_written(FILE *out, const char *wanted) {
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, wanted);
    free(text);
}

#define LABELS(...) ((const struct metric_label[METRIC_LABELS]){__VA_ARGS__})

static void a_sample_has_its_labels(void **state) {
    const struct metric gauge = {"m", "gauge", "What \"it\" is."};
    const struct metrics metrics = {.out = begin()};

    (void)state;
    metrics_begin(&metrics, &gauge);
    metrics_sample(&metrics, &gauge, LABELS({0}), 1.5);
    metrics_sample(&metrics, &gauge, LABELS({"a", "x"}), 2);
    metrics_sample(&metrics, &gauge, LABELS({"a", "x"}, {"b", ""}, {"c", "z"}), 3);
    metrics_end(&metrics);
    expect_written(metrics.out,
                   "# HELP m What \"it\" is.\n# TYPE m gauge\n"
                   "m 1.5\nm{a=\"x\"} 2\nm{a=\"x\",b=\"\",c=\"z\"} 3\n");
}

static void labels_and_help_are_escaped(void **state) {
    const struct metric counter = {"m", "counter", "a\n\"b\"\\c"};
    struct metrics metrics = {.out = begin()};

    (void)state;
    metrics_begin(&metrics, &counter);
    metrics_sample(&metrics, &counter, LABELS({"a", "q\"\n\\"}), 0);
    expect_written(metrics.out,
                   "# HELP m_total a\\n\"b\"\\\\c\n# TYPE m_total counter\n"
                   "m_total{a=\"q\\\"\\n\\\\\"} 0\n");
    metrics = (struct metrics){.out = begin(), .open = true};
    metrics_begin(&metrics, &counter);
    metrics_sample(&metrics, &counter, LABELS({"a", "x"}), 0);
    metrics_end(&metrics);
    expect_written(metrics.out,
                   "# HELP m a\\n\\\"b\\\"\\\\c\n# TYPE m counter\n"
                   "m_total{a=\"x\"} 0\n# EOF\n");
}

static void each_counter_is_written(void **state) {
    const struct metrics metrics = {.out = begin()};
    size_t lines = 0;

    (void)state;
    stats_add(STAT_accepted, 12345678901234);
    metrics_counters(&metrics, (const uint64_t[2]){7, 8});
    assert_int_equal(fclose(metrics.out), 0);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, 3 * STAT_COUNT);
    assert_non_null(strstr(text,
                           "# TYPE relayd_accepted_total counter\n"
                           "relayd_accepted_total 12345678901234\n"));
    assert_non_null(strstr(text, "\nrelayd_bytes_up_total 7\n"));
    assert_non_null(strstr(text, "\nrelayd_bytes_down_total 8\n"));
    free(text);
}

static void buckets_add_up(void **state) {
    const struct metric metric = {"m_seconds", "histogram", "h"};
    struct histogram histogram = {.scale = HISTOGRAM_SHORT};
    struct metrics metrics = {.out = begin()};

    (void)state;
    histogram_add(&histogram, 40);
    histogram_add(&histogram, USEC_PER_SEC);
    histogram_add(&histogram, 1000 * USEC_PER_SEC);
    metrics_histogram(&metrics, &metric, LABELS({"u", "x"}), &histogram);
    assert_int_equal(fclose(metrics.out), 0);
    assert_non_null(strstr(text, "m_seconds_bucket{u=\"x\",le=\"5e-05\"} 1\n"));
    assert_non_null(strstr(text, "m_seconds_bucket{u=\"x\",le=\"0.5\"} 1\n"));
    assert_non_null(strstr(text, "m_seconds_bucket{u=\"x\",le=\"1\"} 2\n"));
    assert_non_null(strstr(text, "m_seconds_bucket{u=\"x\",le=\"100\"} 2\n"));
    assert_non_null(strstr(text, "m_seconds_bucket{u=\"x\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "m_seconds_sum{u=\"x\"} 1001.00"));
    assert_non_null(strstr(text, "m_seconds_count{u=\"x\"} 3\n"));
    free(text);
    metrics = (struct metrics){.out = begin(), .open = true};
    metrics_begin(&metrics, &metric);
    metrics_histogram(&metrics, &metric, LABELS({0}), &histogram);
    assert_int_equal(fclose(metrics.out), 0);
    assert_non_null(strstr(text, "# TYPE m_seconds histogram\n# UNIT m_seconds seconds\n"));
    assert_non_null(strstr(text, "m_seconds_bucket{le=\"1.0\"} 2\n"));
    free(text);
}

static void openmetrics_is_for_who_likes_it(void **state) {
    static const char *const yes[] = {
        "application/openmetrics-text",
        ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
         "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
        "text/plain;version=0.0.4;q=0.5, Application/OpenMetrics-Text; version=1.0.0; q=0.6",
        "text/plain,application/openmetrics-text",
    };
    static const char *const no[] = {
        "",
        "*/*",
        "text/plain",
        "application/openmetrics-text;version=0.0.1",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=0.5,text/plain;q=0.6",
        "application/openmetrics-textual",
        ",,;;q=,",
    };

    (void)state;
    assert_false(metrics_wants_open(NULL));
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        assert_true(metrics_wants_open(yes[i]));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        assert_false(metrics_wants_open(no[i]));
}

static void each_end_is_explained(void **state) {
    struct explanation end;

    (void)state;
    for (size_t i = END_NONE + 1; i < END_COUNT; i++) {
        assert_true(explain_end(end_infos[i].code, &end));
        assert_string_equal(end.code, end_infos[i].code);
        assert_string_equal(end.sentence, end_infos[i].sentence);
        assert_int_equal(end.failed, end_infos[i].failed);
        assert_true(strlen(end.who) > 0 && strlen(end.when) > 0 && strlen(end.advice) > 0);
    }
    assert_true(explain_end("lc", &end));
    assert_string_equal(end.code, "LC");
    assert_false(explain_end("", &end));
    assert_false(explain_end("--", &end));
    assert_false(explain_end("LCX", &end));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_has_its_labels),
        cmocka_unit_test(labels_and_help_are_escaped),
        cmocka_unit_test(each_counter_is_written),
        cmocka_unit_test(buckets_add_up),
        cmocka_unit_test(openmetrics_is_for_who_likes_it),
        cmocka_unit_test(each_end_is_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
