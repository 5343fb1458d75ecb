/* The table of options: its rows agree with themselves, values are read and written by their row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "config/config.h"
#include "config/options.h"

union any_config {
    struct global_config global;
    struct listener_config listener;
    struct upstream_config upstream;
    struct server_config server;
    struct health_check_config health_check;
    struct listener_tls_config listener_tls;
    struct upstream_tls_config upstream_tls;
};

static const struct option_info *row(enum option_section section, const char *name) {
    const struct option_info *found = options_find(section, name);

    assert_non_null(found);
    return found;
}

static void test_each_row_is_found_once(void **state) {
    (void)state;
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        assert_ptr_equal(options_find(option_infos[i].section, option_infos[i].name),
                         &option_infos[i]);
    assert_null(options_find(SECTION_GLOBAL, "copy"));
    assert_null(options_find(SECTION_SERVER, ""));
    assert_ptr_equal(row(SECTION_LISTENER, "copy"), &option_infos[OPT_listener_copy]);
}

static void test_each_row_has_help_and_a_fitting_default(void **state) {
    union any_config values;
    char text[OPTIONS_TEXT_MAX], again[OPTIONS_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_info *at = &option_infos[i];

        assert_non_null(at->help);
        assert_int_equal(at->help[strlen(at->help) - 1], '.');
        assert_true(at->min <= at->max);
        if (options_is_scalar(at) || at->type == OPTION_PREFIXES || at->type == OPTION_SOURCES ||
            at->type == OPTION_TEXT)
            assert_non_null(at->default_text);
        else if (at->type != OPTION_TEXTS)
            assert_null(at->default_text);
        if (!options_is_scalar(at))
            continue;
        assert_true(options_parse(at, at->default_text, &values));
        options_format(at, &values, text, sizeof text);
        assert_true(options_parse(at, text, &values));
        assert_string_equal(options_format(at, &values, again, sizeof again), text);
    }
}

static void test_numbers_keep_to_their_range(void **state) {
    union any_config values;
    char text[64];

    (void)state;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_info *at = &option_infos[i];

        if (at->type != OPTION_NUMBER)
            continue;
        for (int off = -1; off <= 1; off++) {
            snprintf(text, sizeof text, "%lld", (long long)at->min + off);
            assert_true(options_parse(at, text, &values) == (off >= 0 && at->min + off <= at->max));
            snprintf(text, sizeof text, "%lld", (long long)at->max + off);
            assert_true(options_parse(at, text, &values) == (off <= 0 && at->max + off >= at->min));
        }
    }
}

static void test_durations_keep_to_their_range(void **state) {
    union any_config values;
    char text[64];

    (void)state;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_info *at = &option_infos[i];

        if (at->type != OPTION_DURATION)
            continue;
        assert_true(options_parse(at, text_format_duration(at->min, text, sizeof text), &values));
        assert_true(options_parse(at, text_format_duration(at->max, text, sizeof text), &values));
        snprintf(text, sizeof text, "%lldms", (long long)(at->max / USEC_PER_MSEC) + 1);
        assert_false(options_parse(at, text, &values));
        if (at->min > 0)
            assert_false(options_parse(at, "0", &values));
    }
}

static void test_a_refused_value_leaves_the_old_one(void **state) {
    union any_config values;

    (void)state;
    options_set_defaults(SECTION_LISTENER, &values.listener);
    assert_false(options_parse(row(SECTION_LISTENER, "copy"), "fast", &values));
    assert_false(options_parse(row(SECTION_LISTENER, "copy"), "splic", &values));
    assert_false(options_parse(row(SECTION_LISTENER, "copy"), "splicee", &values));
    assert_false(options_parse(row(SECTION_LISTENER, "copy"), "", &values));
    assert_false(options_parse(row(SECTION_LISTENER, "copy"), "auto|buffer", &values));
    assert_int_equal(values.listener.copy, COPY_AUTO);
    assert_false(options_parse(row(SECTION_LISTENER, "half_close"), "TRUE", &values));
    assert_false(values.listener.half_close);
    assert_false(options_parse(row(SECTION_LISTENER, "backlog"), "0", &values));
    assert_int_equal(values.listener.backlog, 4096);
}

static void test_choices_are_the_enums(void **state) {
    union any_config values;

    (void)state;
    assert_true(options_parse(row(SECTION_LISTENER, "copy"), "splice", &values));
    assert_int_equal(values.listener.copy, COPY_SPLICE);
    assert_true(options_parse(row(SECTION_LISTENER, "mode"), "http", &values));
    assert_int_equal(values.listener.mode, MODE_HTTP);
    assert_true(options_parse(row(SECTION_GLOBAL, "when_full"), "reject", &values));
    assert_int_equal(values.global.when_full, WHEN_FULL_REJECT);
    assert_true(options_parse(row(SECTION_GLOBAL, "log_connections"), "none", &values));
    assert_int_equal(values.global.log_connections, LOG_CONNECTIONS_NONE);
}

static void test_booleans(void **state) {
    static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
    union any_config values;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        assert_true(options_parse(row(SECTION_LISTENER, "half_close"), yes[i], &values));
        assert_true(values.listener.half_close);
        assert_true(options_parse(row(SECTION_LISTENER, "half_close"), no[i], &values));
        assert_false(values.listener.half_close);
    }
}

static void test_what_is_allowed_is_said(void **state) {
    char text[OPTIONS_TEXT_MAX];

    (void)state;
    assert_string_equal(options_allowed(row(SECTION_GLOBAL, "queue_size"), text, sizeof text),
                        "must be a number from 1 to 1000000");
    assert_string_equal(
        options_allowed_for(row(SECTION_GLOBAL, "queue_size"), "2K", text, sizeof text),
        "must be a number from 1 to 1000000; units are k (1024), M (1024 k) and G (1024 M)");
    assert_string_equal(
        options_allowed_for(row(SECTION_GLOBAL, "queue_size"), "0", text, sizeof text),
        "must be a number from 1 to 1000000");
    assert_string_equal(options_allowed(row(SECTION_GLOBAL, "queue_timeout"), text, sizeof text),
                        "must be a duration from 1ms to 1h, such as 250ms, 5s, 10m or 1h");
    assert_string_equal(options_allowed(row(SECTION_LISTENER, "copy"), text, sizeof text),
                        "must be auto, buffer or splice");
    assert_string_equal(options_allowed(row(SECTION_LISTENER, "mode"), text, sizeof text),
                        "must be tcp or http");
    assert_string_equal(options_allowed(row(SECTION_GLOBAL, "log_level"), text, sizeof text),
                        "must be error, warning, notice, info or debug");
    assert_string_equal(options_allowed(row(SECTION_LISTENER, "half_close"), text, sizeof text),
                        "must be true or false");
}

static void test_sections(void **state) {
    enum option_section section;

    (void)state;
    assert_true(options_section_find(SECTION_GLOBAL, "listener", &section));
    assert_int_equal(section, SECTION_LISTENER);
    assert_true(options_section_find(SECTION_UPSTREAM, "server", &section));
    assert_int_equal(section, SECTION_SERVER);
    assert_false(options_section_find(SECTION_GLOBAL, "server", &section));
    assert_false(options_section_find(SECTION_GLOBAL, "", &section));
    assert_int_equal(options_section_parent(SECTION_SERVER), SECTION_UPSTREAM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_is_found_once),
        cmocka_unit_test(test_each_row_has_help_and_a_fitting_default),
        cmocka_unit_test(test_numbers_keep_to_their_range),
        cmocka_unit_test(test_durations_keep_to_their_range),
        cmocka_unit_test(test_a_refused_value_leaves_the_old_one),
        cmocka_unit_test(test_choices_are_the_enums),
        cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_what_is_allowed_is_said),
        cmocka_unit_test(test_sections),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
