/* base/buffer: what is appended stands there in order, however much it is. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

static void it_grows(void **state) {
    struct buffer buffer = {0};

    (void)state;
    for (int i = 0; i < 10000; i++)
        buffer_add(&buffer, "abc", 3);
    assert_int_equal(buffer.n, 30000);
    assert_int_equal(strlen(buffer.bytes), 30000);
    assert_memory_equal(buffer.bytes + 29997, "abc", 3);
    assert_false(buffer.failed);
    buffer_free(&buffer);
    assert_null(buffer.bytes);
}

static void nothing_is_a_text_too(void **state) {
    struct buffer buffer = {0};

    (void)state;
    buffer_add(&buffer, "", 0);
    assert_string_equal(buffer.bytes, "");
    buffer_free(&buffer);
}

static void numbers_have_all_their_digits(void **state) {
    struct buffer buffer = {0};

    (void)state;
    buffer_add_number(&buffer, 0);
    buffer_add_text(&buffer, " ");
    buffer_add_number(&buffer, 1234567890);
    buffer_add_text(&buffer, " ");
    buffer_add_number(&buffer, UINT64_MAX);
    assert_string_equal(buffer.bytes, "0 1234567890 18446744073709551615");
    buffer_free(&buffer);
}

static void json_is_escaped(void **state) {
    struct buffer buffer = {0};

    (void)state;
    buffer_add_json(&buffer, "a\"b\\c\n\x01\x7f\xc3\xa9");
    assert_string_equal(buffer.bytes, "a\\\"b\\\\c\\u000a\\u0001\\u007f\xc3\xa9");
    buffer_add_text(&buffer, "!");
    assert_int_equal(buffer.n, strlen(buffer.bytes));
    buffer_free(&buffer);
    for (int i = 0; i < 300; i++)
        buffer_add_json(&buffer, "\x1f");
    assert_int_equal(strlen(buffer.bytes), 1800);
    buffer_free(&buffer);
}

static void what_does_not_fit_is_said(void **state) {
    struct buffer buffer = {0};

    (void)state;
    buffer_add_text(&buffer, "abc");
    assert_null(buffer_reserve(&buffer, SIZE_MAX / 2));
    assert_true(buffer.failed);
    buffer_add_text(&buffer, "d");
    assert_string_equal(buffer.bytes, "abc");
    buffer_free(&buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows),
        cmocka_unit_test(nothing_is_a_text_too),
        cmocka_unit_test(numbers_have_all_their_digits),
        cmocka_unit_test(json_is_escaped),
        cmocka_unit_test(what_does_not_fit_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
