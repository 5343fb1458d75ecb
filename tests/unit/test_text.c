/* Durations, sizes, numbers and distances as operators write and read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

static void test_durations_are_read(void **state) {
    static const struct {
        const char *text;
        usec_t usec;
    } cases[] = {
        {"0", 0},
        {"0ms", 0},
        {"1", USEC_PER_SEC},
        {"250ms", 250 * USEC_PER_MSEC},
        {"5s", 5 * USEC_PER_SEC},
        {"10m", 600 * USEC_PER_SEC},
        {"1h", 3600 * USEC_PER_SEC},
        {"007s", 7 * USEC_PER_SEC},
        {"4611686018427387ms", 4611686018427387 * USEC_PER_MSEC}, /* just under 2^62 us */
    };
    usec_t usec;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        usec = -1;
        assert_true(text_parse_duration(cases[i].text, &usec));
        assert_int_equal(usec, cases[i].usec);
    }
}

static void test_other_durations_are_refused(void **state) {
    static const char *const cases[] = {
        "",
        "s",
        "-1s",
        "+1s",
        "1.5s",
        " 1s",
        "1 s",
        "1s ",
        "1S",
        "1us",
        "1d",
        "0x10",
        "1ss",
        "ms5",
        "4611686018427388ms",
        "4611686018428s",
        "9223372036854775808",
        "1000000000000000000000000h",
    };
    usec_t usec = 42;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_false(text_parse_duration(cases[i], &usec));
    assert_int_equal(usec, 42);
}

static void test_durations_come_back(void **state) {
    static const char *const cases[] = {"0",  "1ms",  "999ms", "1s",  "90s",
                                        "1m", "119m", "2h",    "720h"};
    char buf[32];
    usec_t usec;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(text_parse_duration(cases[i], &usec));
        assert_string_equal(text_format_duration(usec, buf, sizeof buf), cases[i]);
    }
    assert_string_equal(text_format_duration(60 * USEC_PER_SEC, buf, sizeof buf), "1m");
    assert_string_equal(text_format_duration(1500 * USEC_PER_MSEC, buf, sizeof buf), "1500ms");
    assert_string_equal(text_format_duration(1250, buf, sizeof buf), "1.250ms");
}

static void test_sizes(void **state) {
    int64_t n = 42;

    (void)state;
    assert_true(text_parse_size("0", &n));
    assert_int_equal(n, 0);
    assert_true(text_parse_size("64k", &n));
    assert_int_equal(n, 65536);
    assert_true(text_parse_size("1M", &n));
    assert_int_equal(n, 1048576);
    assert_true(text_parse_size("2G", &n));
    assert_int_equal(n, INT64_C(2147483648));
    assert_true(text_parse_size("8589934591G", &n));
    n = 42;
    assert_false(text_parse_size("8589934592G", &n));
    assert_false(text_parse_size("1K", &n));
    assert_false(text_parse_size("1kB", &n));
    assert_false(text_parse_size("", &n));
    assert_false(text_parse_size("-1", &n));
    assert_int_equal(n, 42);
}

static void test_numbers(void **state) {
    int64_t n = 42;

    (void)state;
    assert_true(text_parse_number("9223372036854775807", &n));
    assert_int_equal(n, INT64_MAX);
    n = 42;
    assert_false(text_parse_number("9223372036854775808", &n));
    assert_false(text_parse_number("", &n));
    assert_false(text_parse_number("1k", &n));
    assert_false(text_parse_number("-1", &n));
    assert_false(text_parse_number("1 ", &n));
    assert_int_equal(n, 42);
}

static void test_human_time(void **state) {
    static const struct {
        usec_t usec;
        const char *text;
    } cases[] = {
        {0, "0.0 ms"},
        {300, "0.3 ms"},
        {999949, "999.9 ms"},
        {999950, "1.0 s"},
        {12400000, "12.4 s"},
        {59949999, "59.9 s"},
        {59950000, "1 min"},
        {61 * USEC_PER_SEC, "1 min 1 s"},
        {3599 * USEC_PER_SEC, "59 min 59 s"},
        {3600 * USEC_PER_SEC, "1 h"},
        {7500 * USEC_PER_SEC, "2 h 5 min"},
        {30 * 3600 * USEC_PER_SEC, "30 h"},
    };
    char buf[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(text_human_time(cases[i].usec, buf, sizeof buf), cases[i].text);
    text_human_time(INT64_MAX, buf, sizeof buf);
}

static void test_human_bytes(void **state) {
    static const struct {
        uint64_t n;
        const char *text;
    } cases[] = {
        {0, "0 bytes"},          {1, "1 byte"},       {77, "77 bytes"},
        {999, "999 bytes"},      {1000, "1.0 kB"},    {999949, "999.9 kB"},
        {999950, "1.0 MB"},      {1400000, "1.4 MB"}, {UINT64_C(1073741824), "1.1 GB"},
        {UINT64_MAX, "18.4 EB"},
    };
    char buf[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(text_human_bytes(cases[i].n, buf, sizeof buf), cases[i].text);
}

static void test_append_cuts_what_does_not_fit(void **state) {
    char buf[8] = "";

    (void)state;
    text_append(buf, sizeof buf, "%s", "abc");
    text_append(buf, sizeof buf, "%d", 12);
    assert_string_equal(buf, "abc12");
    text_append(buf, sizeof buf, "%s", "3456");
    assert_string_equal(buf, "abc1234");
    text_append(buf, sizeof buf, "%s", "x");
    assert_string_equal(buf, "abc1234");
}

static void test_cuts_are_between_characters(void **state) {
    static const struct {
        const char *text, *left;
    } cases[] = {
        {"", ""},
        {"ab", "ab"},
        {"a\xd0\xb6", "a\xd0\xb6"},
        {"a\xd0", "a"},
        {"\xd0", ""},
        {"a\xe2\x82\xac", "a\xe2\x82\xac"},
        {"a\xe2\x82", "a"},
        {"a\xf0\x9f\x98\x80", "a\xf0\x9f\x98\x80"},
        {"a\xf0\x9f\x98", "a"},
        {"\xb6\xb6", "\xb6\xb6"}, /* no character at all */
    };
    char buf[8];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        strcpy(buf, cases[i].text);
        text_trim(buf);
        assert_string_equal(buf, cases[i].left);
    }
    strcpy(buf, "abcd");
    text_append(buf, sizeof(buf), "%s", "\xd0\xb6\xd0\xb6");
    assert_string_equal(buf, "abcd\xd0\xb6");
}

static void test_what_is_left(void **state) {
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {{-3, "0 s"},      {0, "0 s"},    {59, "59 s"},    {60, "1 min"},
                 {89, "1 min"},    {90, "2 min"}, {599, "10 min"}, {600, "10 min"},
                 {3569, "59 min"}, {3599, "1 h"}, {86399, "1 d"},  {90000, "1 d"}};
    char buf[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(text_human_left(cases[i].seconds, buf, sizeof(buf)), cases[i].text);
    assert_string_equal(text_human_age(599, 1, buf, sizeof(buf)), "9 min");
}

static void test_distance(void **state) {
    char longer[80];

    (void)state;
    assert_int_equal(text_distance("", ""), 0);
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("abc", ""), 3);
    assert_int_equal(text_distance("copy", "copy"), 0);
    assert_int_equal(text_distance("idle_timout", "idle_timeout"), 1); /* one left out */
    assert_int_equal(text_distance("copyy", "copy"), 1);               /* one too many */
    assert_int_equal(text_distance("cope", "copy"), 1);                /* a wrong one */
    assert_int_equal(text_distance("ocpy", "copy"), 1);                /* two swapped */
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(text_distance(longer, "a"), 79);
    assert_int_equal(text_distance(longer, longer), 0);
}

static void days_and_ends(void **state) {
    char day[16];

    (void)state;
    assert_string_equal(text_format_day(0, day, sizeof(day)), "1970-01-01");
    assert_string_equal(text_format_day(1709251199, day, sizeof(day)), "2024-02-29");
    assert_string_equal(text_format_day(1709251200, day, sizeof(day)), "2024-03-01");
    assert_string_equal(text_format_day(INT64_MAX, day, sizeof(day)), "?");
    assert_int_equal(text_before_end("a.pem", ".pem"), 1);
    assert_int_equal(text_before_end(".pem", ".pem"), 0);
    assert_int_equal(text_before_end("a.pem", ".crt"), 0);
}

static void test_is_below(void **state) {
    (void)state;
    assert_true(text_is_below("/tmp/a", "/tmp"));
    assert_true(text_is_below("/tmp/a", "/tmp/"));
    assert_true(text_is_below("/tmp", "/tmp"));
    assert_true(text_is_below("/tmp/a/b", "/"));
    assert_false(text_is_below("/tmpfoo", "/tmp"));
    assert_false(text_is_below("/tm", "/tmp"));
    assert_false(text_is_below("/var/tmp/a", "/tmp"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations_are_read),
        cmocka_unit_test(test_other_durations_are_refused),
        cmocka_unit_test(test_durations_come_back),
        cmocka_unit_test(test_is_below),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_what_is_left),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_human_time),
        cmocka_unit_test(test_human_bytes),
        cmocka_unit_test(test_append_cuts_what_does_not_fit),
        cmocka_unit_test(test_cuts_are_between_characters),
        cmocka_unit_test(days_and_ends),
        cmocka_unit_test(test_distance),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
