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

static void a_sample_has_its_labels(void **state) {
    FILE *out = begin();

    (void)state;
    metrics_begin(out, "m", "gauge", "What \"it\" is.");
    metrics_sample(out, "m", (const struct metric_label[METRIC_LABELS]){{0}}, 1.5);
    metrics_sample(out, "m", (const struct metric_label[METRIC_LABELS]){{"a", "x"}}, 2);
    metrics_sample(
        out, "m", (const struct metric_label[METRIC_LABELS]){{"a", "x"}, {"b", ""}, {"c", "z"}}, 3);
    expect_written(out,
                   "# HELP m What \"it\" is.\n# TYPE m gauge\n"
                   "m 1.5\nm{a=\"x\"} 2\nm{a=\"x\",b=\"\",c=\"z\"} 3\n");
}

static void labels_and_help_are_escaped(void **state) {
    FILE *out = begin();

    (void)state;
    metrics_begin(out, "m", "counter", "a\nb\\c");
    metrics_sample(out, "m", (const struct metric_label[METRIC_LABELS]){{"a", "q\"\n\\"}}, 0);
    expect_written(out,
                   "# HELP m a\\nb\\\\c\n# TYPE m counter\n"
                   "m{a=\"q\\\"\\n\\\\\"} 0\n");
}

static void each_counter_is_written(void **state) {
    FILE *out = begin();
    size_t lines = 0;

    (void)state;
    stats_add(STAT_bytes_up, 12345678901234);
    metrics_counters(out);
    assert_int_equal(fclose(out), 0);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, 3 * STAT_COUNT);
    assert_non_null(strstr(text,
                           "\n# TYPE relayd_bytes_up_total counter\n"
                           "relayd_bytes_up_total 12345678901234\n"));
    free(text);
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
        cmocka_unit_test(each_end_is_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
