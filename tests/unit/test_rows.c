/* relayctl/rows: a row is read alike, however its JSON is spelled. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relayctl/rows.h"

#define PLAIN                                                                                      \
    "{\"id\":7,\"client\":\"192.0.2.1:5\",\"listener\":\"web\",\"upstream\":\"app\","              \
    "\"server\":\"a\",\"address\":\"[::1]:80\",\"age_us\":1000,\"idle_us\":20,\"up\":3,"           \
    "\"down\":4,\"phase\":\"relay\",\"tls\":null,\"request\":null}"
#define PLAIN_READ "7 192.0.2.1:5 web app a relay 1000 20 3 4;"

struct seen_rows {
    char text[1024], json[1024];
};

static void note_row(void *arg, const struct connection_row *row) {
    struct seen_rows *seen = arg;
    size_t n = strlen(seen->text), json_n = strlen(seen->json);

    snprintf(seen->text + n, sizeof(seen->text) - n, "%lld %s %s %s %s %s %lld %lld %lld %lld;",
             row->has_id ? row->number[ROW_ID] : -1, row->text[ROW_CLIENT], row->text[ROW_LISTENER],
             row->text[ROW_UPSTREAM], row->text[ROW_SERVER], row->text[ROW_PHASE],
             row->number[ROW_AGE], row->number[ROW_IDLE], row->number[ROW_UP],
             row->number[ROW_DOWN]);
    snprintf(seen->json + json_n, sizeof(seen->json) - json_n, "%zu,", row->json_n);
}

static bool read_text(const char *text, struct seen_rows *ret_seen) {
    struct buffer answer = {0};

    *ret_seen = (struct seen_rows){""};
    buffer_add_text(&answer, text);
    bool good = rows_read(&answer, note_row, ret_seen);
    assert_string_equal(answer.bytes, text); /* as it was */
    buffer_free(&answer);
    return good;
}

static void expect_rows(const char *text, const char *wanted) {
    struct seen_rows seen;

    assert_true(read_text(text, &seen));
    assert_string_equal(seen.text, wanted);
}

static void plain_rows_are_read(void **state) {
    char wanted[64];
    struct seen_rows seen;

    (void)state;
    expect_rows("[]\n", "");
    expect_rows("[" PLAIN "]\n", PLAIN_READ);
    assert_true(read_text("[" PLAIN "," PLAIN "]\n", &seen));
    assert_string_equal(seen.text, PLAIN_READ PLAIN_READ);
    snprintf(wanted, sizeof(wanted), "%zu,%zu,", strlen(PLAIN), strlen(PLAIN));
    assert_string_equal(seen.json, wanted);
}

static void others_are_read_alike(void **state) {
    (void)state;
    expect_rows(
        "[{ \"id\": 7 , \"client\":\"192.0.2.1:5\", \"listener\":\"web\", \"age_us\":1000,"
        "\"upstream\":\"app\",\"server\":\"a\", \"idle_us\":20,\"up\":3,\"down\":4,"
        "\"phase\":\"relay\"}]",
        PLAIN_READ);
    expect_rows(
        "[{\"phase\":\"\\u0072elay\",\"down\":4,\"up\":3,\"idle_us\":20,\"age_us\":1000,"
        "\"server\":\"\\u0061\",\"upstream\":\"app\",\"listener\":\"web\","
        "\"client\":\"192.0.2.1:5\",\"id\":7,\"request\":{\"up\":\"}],\"}}]",
        PLAIN_READ);
    expect_rows("[" PLAIN ",{\"client\":\"a\\\"b\\\\\",\"phase\":\"\xc3\xa9\"}," PLAIN "]",
                PLAIN_READ "-1 a\"b\\ - - - \xc3\xa9 0 0 0 0;" PLAIN_READ);
}

static void what_is_not_said_is_left_open(void **state) {
    (void)state;
    expect_rows("[{\"up\":1}]", "-1 - - - - - 0 0 1 0;");
    expect_rows("[{}]", "-1 - - - - - 0 0 0 0;");
    expect_rows("[{\"up\":-1,\"client\":5,\"id\":\"x\",\"ups\":2,\"u\":3}]",
                "-1 - - - - - 0 0 -1 0;");
    expect_rows("[{\"client\":5,\"id\":\"x\",\"ups\":2,\"u\":3,\"down\":null}]",
                "-1 - - - - - 0 0 0 0;");
    expect_rows("[{\"up\":9223372036854775807}]", "-1 - - - - - 0 0 9007199254740992 0;");
    expect_rows("[{\"client\":\"\\u001b[2J\"}]", "-1 \\x1b[2J - - - - 0 0 0 0;");
}

static void what_is_no_list_is_refused(void **state) {
    static const char *const texts[] = {"",
                                        "{}",
                                        "[",
                                        "[{",
                                        "[" PLAIN,
                                        "[" PLAIN ",",
                                        "[{\"up\":1",
                                        "[{\"up\":1,]",
                                        "[{\"up\":}]",
                                        "[{\"up\"}]",
                                        "[{\"up\":1.}]",
                                        "[,{\"up\":1}]",
                                        "[{\"up\":1},\x01]",
                                        "[{\"client\":\"a}]",
                                        "[" PLAIN "]x",
                                        "[]]",
                                        "<html>"};
    struct seen_rows seen;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (read_text(texts[i], &seen))
            fail_msg("%s is taken for a list", texts[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_rows_are_read),
        cmocka_unit_test(others_are_read_alike),
        cmocka_unit_test(what_is_not_said_is_left_open),
        cmocka_unit_test(what_is_no_list_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
