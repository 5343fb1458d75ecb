/* base/pattern and base/bytes: what an operator writes, and whether an answer has it. Pure. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/pattern.h"

static void bytes_are_what_is_written(void **state) {
    static const struct {
        const char *text, *bytes;
        size_t n;
    } cases[] = {
        {"", "", 0},
        {"PING", "PING", 4},
        {"a\\r\\n\\t\\\\", "a\r\n\t\\", 5},
        {"\\x00\\xfF\\x7f0", "\0\xff\x7f\x30", 4},
        {"*?$\"'", "*?$\"'", 5},
    };
    static const char *const wrong[] = {"\\",    "a\\",   "\\x", "\\x1",
                                        "\\xg0", "\\x0g", "\\0", "\\X41"};
    char buf[16];
    size_t n = 99;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(bytes_decode(cases[i].text, buf, sizeof(buf), &n));
        assert_int_equal(n, cases[i].n);
        assert_memory_equal(buf, cases[i].bytes, n);
        assert_true(bytes_decode(cases[i].text, buf, 0, &n));
        assert_int_equal(n, cases[i].n);
    }
    n = 99;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(bytes_decode(wrong[i], buf, sizeof(buf), &n));
    assert_int_equal(n, 99);
}

#define FOUND(text, bytes)                                                                         \
    { text, bytes, sizeof(bytes) - 1, true }
#define NONE(text, bytes)                                                                          \
    { text, bytes, sizeof(bytes) - 1, false }

static void what_is_found(void **state) {
    static const struct {
        const char *text, *bytes;
        size_t n;
        bool found;
    } cases[] = {
        FOUND("+PONG", "+PONG\r\n"),
        FOUND("PONG", "+PONG"),
        FOUND("G\\r\\n", "+PONG\r\n"),
        FOUND("\\x00\\x01", "a\0\0\1b"),
        FOUND("a.b*", "xa.b*"),
        NONE("+PONG", "+PON"),
        NONE("+PONG", ""),
        NONE("+pong", "+PONG"),
        NONE("a.b", "axb"),
        FOUND("~^220[ -]", "220 mail"),
        FOUND("~^(a|b)+$", "abba"),
        FOUND("~mail$", "220 mail"),
        FOUND("~c", "a\0\nc"),
        FOUND("~\\.b", "a.b"),
        NONE("~^220[ -]", "x220 mail"),
        NONE("~\\.b", "axb"),
        NONE("~a.c", "ab"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *why = NULL;
        struct pattern *pattern = pattern_new(cases[i].text, &why);

        assert_non_null(pattern);
        assert_int_equal(pattern_found(pattern, cases[i].bytes, cases[i].n), cases[i].found);
        pattern_free(pattern);
    }
    pattern_free(NULL);
}

static void what_is_no_pattern(void **state) {
    char longest[PATTERN_MOST + 2];
    const char *why;
    const struct {
        const char *text, *why;
    } cases[] = {
        {"", "must not be empty"},
        {longest, "must not be longer than 255 bytes"},
        {"a\\.b", "after \"\\\" only r, n, t, \\ or x and two hexadecimal digits are known"},
        {"~", "behind the \"~\" a regular expression must follow"},
        {"~(a", "is no extended regular expression (regex(7))"},
        {"~+PONG", "is no extended regular expression (regex(7))"},
        {"~(a)\\1", "a regular expression must have no back-references and no counts in braces"},
        {"~a{1000}", "a regular expression must have no back-references and no counts in braces"},
        {"~\\", "is no extended regular expression (regex(7))"},
    };

    (void)state;
    memset(longest, 'a', sizeof(longest));
    longest[PATTERN_MOST + 1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        why = NULL;
        assert_null(pattern_new(cases[i].text, &why));
        assert_string_equal(why, cases[i].why);
    }
    longest[PATTERN_MOST] = '\0';
    struct pattern *pattern = pattern_new(longest, &why);
    assert_true(pattern_found(pattern, longest, PATTERN_MOST));
    assert_false(pattern_found(pattern, longest, PATTERN_MOST - 1));
    pattern_free(pattern);
    pattern = pattern_new("~\\{", &why); /* the sign itself */
    assert_true(pattern_found(pattern, "{", 1));
    pattern_free(pattern);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_what_is_written),
        cmocka_unit_test(what_is_found),
        cmocka_unit_test(what_is_no_pattern),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
