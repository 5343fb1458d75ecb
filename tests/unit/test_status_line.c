/* wire/status_line: answers of all kinds of servers, in any split. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "wire/status_line.h"

static const struct {
    const char *bytes;
    size_t n; /* 0: up to the NUL */
    enum status_line_outcome outcome;
    int status;
} cases[] = {
    {"HTTP/1.1 200 OK\r\n", 0, STATUS_LINE_WHOLE, 200},
    {"HTTP/1.0 302 Found\r\nServer: x\r\n\r\n", 0, STATUS_LINE_WHOLE, 302},
    {"HTTP/1.1 204\r\n", 0, STATUS_LINE_WHOLE, 204},
    {"HTTP/1.1 404 \n", 0, STATUS_LINE_WHOLE, 404},
    {"HTTP/1.1 503\n", 0, STATUS_LINE_WHOLE, 503},
    {"HTTP/1.1 007 \r\n", 0, STATUS_LINE_WHOLE, 7},
    {"HTTP/1.1 200 \t\xc3\xa4 x\r\n", 0, STATUS_LINE_WHOLE, 200},
    {"HTTP/1.1 200 OK\r\n\0\xff\x01", 20, STATUS_LINE_WHOLE, 200},
    {"", 0, STATUS_LINE_MORE, 0},
    {"HTTP/1.1 20", 0, STATUS_LINE_MORE, 0},
    {"HTTP/1.1 200", 0, STATUS_LINE_MORE, 0},
    {"HTTP/1.1 200 OK\r", 0, STATUS_LINE_MORE, 0},
    {"HTTP/1.2 200 OK\r\n", 0, STATUS_LINE_BAD, 0},
    {"HTTP/2 200\r\n", 0, STATUS_LINE_BAD, 0},
    {"HTTP/1.1  200\r\n", 0, STATUS_LINE_BAD, 0},
    {"HTTP/1.1 2000\r\n", 0, STATUS_LINE_BAD, 0},
    {"HTTP/1.1 20\r\n", 0, STATUS_LINE_BAD, 0},
    {"HTTP/1.1 -20 \r\n", 0, STATUS_LINE_BAD, 0},
    {"HTTP/1.1 +20 \r\n", 0, STATUS_LINE_BAD, 0},
    {"HTTP/1.1 2 0 \r\n", 0, STATUS_LINE_BAD, 0},
    {"http/1.1 200 OK\r\n", 0, STATUS_LINE_BAD, 0},
    {" HTTP/1.1 200 OK\r\n", 0, STATUS_LINE_BAD, 0},
    {"\r\nHTTP/1.1 200 OK\r\n", 0, STATUS_LINE_BAD, 0},
    {"\n", 0, STATUS_LINE_BAD, 0},
    {"\0", 1, STATUS_LINE_BAD, 0},
    {"HTTP/1.1 200\0OK\r\n", 17, STATUS_LINE_BAD, 0},
    {"HTTP/1.1 200 \0\r\n", 16, STATUS_LINE_BAD, 0},
    {"HTTP/1.1 200 \x1b[2J\r\n", 0, STATUS_LINE_BAD, 0},
    {"HTTP/1.1 200 \x7f\r\n", 0, STATUS_LINE_BAD, 0},
    {"220 mail.example ESMTP\r\n", 0, STATUS_LINE_BAD, 0},
    {"SSH-2.0-OpenSSH_9.2p1\r\n", 0, STATUS_LINE_BAD, 0},
    {"\x15\x03\x01\x00\x02\x02\x46", 7, STATUS_LINE_BAD, 0},
};

/* From a block of its exact size, so that the address sanitizer sees a step beyond it. */
static enum status_line_outcome take(struct status_line *line, const char *bytes, size_t n) {
    char *copy = malloc(n + (n == 0));

    memcpy(copy, bytes, n);
    enum status_line_outcome outcome = status_line_take(line, copy, n);
    free(copy);
    return outcome;
}

static void every_split_gives_the_same(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *bytes = cases[i].bytes;
        size_t n = cases[i].n > 0 ? cases[i].n : strlen(bytes);

        for (size_t first = 0; first <= n; first++)
            for (size_t second = first; second <= n; second++) {
                const size_t ends[] = {first, second, n};
                enum status_line_outcome outcome = STATUS_LINE_MORE;
                struct status_line line = {0};

                for (size_t k = 0, at = 0; k < 3 && outcome == STATUS_LINE_MORE; at = ends[k++])
                    outcome = take(&line, bytes + at, ends[k] - at);
                assert_int_equal(outcome, cases[i].outcome);
                if (outcome == STATUS_LINE_WHOLE)
                    assert_int_equal(line.status, cases[i].status);
            }
    }
}

/* A byte that is wrong is found at once, even if the server says no more. */
static void what_is_wrong_is_found_at_the_first_byte(void **state) {
    static const char good[] = "HTTP/1.1 200 OK\r\n";

    (void)state;
    for (size_t at = 0; at < sizeof(good) - 1; at++) {
        struct status_line line = {0};

        if (at > 0)
            assert_int_equal(status_line_take(&line, good, at), STATUS_LINE_MORE);
        assert_int_equal(status_line_take(&line, "\x01", 1), STATUS_LINE_BAD);
    }
}

static void an_endless_line_is_bounded(void **state) {
    struct status_line line = {0};
    size_t taken = 0;

    (void)state;
    assert_int_equal(status_line_take(&line, "HTTP/1.1 200 ", 13), STATUS_LINE_MORE);
    while (status_line_take(&line, "a", 1) == STATUS_LINE_MORE)
        taken++;
    assert_int_equal(taken, STATUS_LINE_MAX - 13);
}

/* Bytes without any sense, and a good line with some of them changed. */
static void no_bytes_do_harm(void **state) {
    char bytes[64];

    (void)state;
    srand(1);
    for (int round = 0; round < 200000; round++) {
        struct status_line once = {0}, twice = {0};
        size_t n = (size_t)rand() % sizeof(bytes), cut = n == 0 ? 0 : (size_t)rand() % n;

        for (size_t i = 0; i < n; i++)
            bytes[i] = round % 2 == 0 || rand() % 16 == 0 ? (char)rand()
                                                          : "HTTP/1.1 200 OK and so on, and on, "
                                                            "as servers can, at length \r\n\r\n"[i];
        enum status_line_outcome whole = status_line_take(&once, bytes, n);
        enum status_line_outcome parts = status_line_take(&twice, bytes, cut);
        if (parts == STATUS_LINE_MORE)
            parts = status_line_take(&twice, bytes + cut, n - cut);
        assert_int_equal(parts, whole);
        assert_int_equal(twice.status, once.status);
        assert_true(once.length <= n && once.status >= 0 && once.status <= 999);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_gives_the_same),
        cmocka_unit_test(what_is_wrong_is_found_at_the_first_byte),
        cmocka_unit_test(an_endless_line_is_bounded),
        cmocka_unit_test(no_bytes_do_harm),
    };

    return cmocka_run_group_tests_name("status_line", tests, NULL, NULL);
}
