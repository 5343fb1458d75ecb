/* base/escape: what is printed is one line, of characters that can be seen. */
#include "unit.h"

#include <string.h>

#include "base/escape.h"

static const char *escaped(const char *text, enum escape what) {
    static char buf[256];

    return escape_text(text, strlen(text), what, buf, sizeof(buf));
}

static void plain_text_stays(void **state) {
    (void)state;
    assert_string_equal(escaped("", ESCAPE_FOREIGN), "");
    assert_string_equal(escaped("/run/a-b_c.sock", ESCAPE_FOREIGN), "/run/a-b_c.sock");
    assert_string_equal(escaped("Gr\u00fc\u00dfe \u4f60\u597d \U0001f600", ESCAPE_UNPRINTABLE),
                        "Gr\u00fc\u00dfe \u4f60\u597d \U0001f600");
    assert_string_equal(escaped("a b\\c", ESCAPE_UNPRINTABLE), "a b\\c");
}

static void controls_are_escaped(void **state) {
    char buf[32];

    (void)state;
    assert_string_equal(escaped("a\nb\r\tc\033[0m\177", ESCAPE_UNPRINTABLE),
                        "a\\x0ab\\x0d\\x09c\\x1b[0m\\x7f");
    assert_string_equal(escaped("\xc2\x9b"
                                "31m",
                                ESCAPE_UNPRINTABLE),
                        "\\xc2\\x9b31m"); /* C1: CSI */
    assert_string_equal(escape_text("a\0b", 3, ESCAPE_UNPRINTABLE, buf, sizeof(buf)), "a\\x00b");
}

static void what_is_no_utf8_is_escaped(void **state) {
    (void)state;
    assert_string_equal(escaped("\x9b"
                                "31m",
                                ESCAPE_UNPRINTABLE),
                        "\\x9b31m");
    assert_string_equal(escaped("\xc3", ESCAPE_UNPRINTABLE), "\\xc3");          /* cut off */
    assert_string_equal(escaped("\xc0\x8a", ESCAPE_UNPRINTABLE), "\\xc0\\x8a"); /* overlong */
    assert_string_equal(escaped("\xe0\x80\x8a", ESCAPE_UNPRINTABLE), "\\xe0\\x80\\x8a");
    assert_string_equal(escaped("\xed\xa0\x80", ESCAPE_UNPRINTABLE),
                        "\\xed\\xa0\\x80"); /* surrogate */
    assert_string_equal(escaped("\xf5\x80\x80\x80", ESCAPE_UNPRINTABLE), "\\xf5\\x80\\x80\\x80");
}

static void what_hides_or_moves_text_is_escaped(void **state) {
    (void)state;
    assert_string_equal(escaped("a\u202eb", ESCAPE_UNPRINTABLE),
                        "a\\xe2\\x80\\xaeb"); /* right to left */
    assert_string_equal(escaped("a\u2028b", ESCAPE_UNPRINTABLE),
                        "a\\xe2\\x80\\xa8b"); /* a line ends */
    assert_string_equal(escaped("a\u200bb", ESCAPE_UNPRINTABLE),
                        "a\\xe2\\x80\\x8bb"); /* no width */
}

static void blanks_and_backslashes_if_asked(void **state) {
    (void)state;
    assert_string_equal(escaped("x RELAYD_END=SE", ESCAPE_BLANKS), "x\\x20RELAYD_END=SE");
    assert_string_equal(escaped("x\u00a0y\u3000z", ESCAPE_BLANKS), "x\\xc2\\xa0y\\xe3\\x80\\x80z");
    assert_string_equal(escaped("a\\x0ab", ESCAPE_FOREIGN), "a\\x5cx0ab");
}

static void what_does_not_fit_is_cut_between_characters(void **state) {
    char buf[8];

    (void)state;
    assert_string_equal(escape_text("123456789", 9, ESCAPE_FOREIGN, buf, sizeof(buf)), "1234567");
    assert_string_equal(escape_text("12345\n", 6, ESCAPE_FOREIGN, buf, sizeof(buf)), "12345");
    assert_string_equal(escape_text("123456\u00fc", 8, ESCAPE_FOREIGN, buf, sizeof(buf)), "123456");
    assert_string_equal(escape_text("1", 1, ESCAPE_FOREIGN, buf, 1), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_stays),
        cmocka_unit_test(controls_are_escaped),
        cmocka_unit_test(what_is_no_utf8_is_escaped),
        cmocka_unit_test(what_hides_or_moves_text_is_escaped),
        cmocka_unit_test(blanks_and_backslashes_if_asked),
        cmocka_unit_test(what_does_not_fit_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
