/* Checks of type http: what an answer is worth, in whatever split it comes. No sockets. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "health/check.h"

static char expect[] = "200-399";
static struct health_check_config config = {
    .type = CHECK_HTTP, .expect = expect, .expected = {{200, 399}}, .n_expected = 1};
static struct check_wish wish = {.config = &config};

#define OK "HTTP/1.1 200 OK\r\n"

/* *ret_used: bytes until the verdict. */
static enum check_outcome hear(struct check *check, const char *bytes, size_t n, size_t step,
                               size_t *ret_used) {
    enum check_outcome outcome = CHECK_UNDER_WAY;
    size_t at = 0;

    while (at < n && outcome == CHECK_UNDER_WAY) {
        size_t some = step < n - at ? step : n - at;

        outcome = check->ops->answer(check, bytes + at, some);
        at += some;
    }
    *ret_used = at;
    return outcome;
}

/* As check_init does it; no file of the configuration says a path here. */
static void begin(struct check *check, bool strict) {
    wish.strict = strict;
    *check =
        (struct check){.wish = &wish, .ops = &check_http_ops, .fd = -1, .left = CHECK_DRAIN_MAX};
}

static void try_one(const char *text, size_t n, bool strict, enum check_outcome outcome,
                    const char *why) {
    for (size_t step = 1; step <= n; step += step < 100 ? 1 : step) {
        struct check check;
        size_t used;

        begin(&check, strict);
        enum check_outcome found = hear(&check, text, n, step, &used);
        if (found != outcome || strstr(check.why, why) == NULL)
            fail_msg("step %zu: outcome %d, \"%s\" instead of %d, \"%s\": %.200s", step, (int)found,
                     check.why, (int)outcome, why, text);
        check_end(&check);
    }
}

static void answers_that_both_take(void **state) {
    static const struct {
        const char *text;
        enum check_outcome outcome;
        const char *why;
    } cases[] = {
        {OK "\r\n", CHECK_GOOD, ""},
        {OK "Content-Length: 5\r\n\r\n", CHECK_GOOD, ""},
        {OK "Content-Length: 9223372036854775807\r\n\r\n", CHECK_GOOD, ""},
        {OK "Transfer-Encoding: chunked\r\n\r\n", CHECK_GOOD, ""},
        {"HTTP/1.0 302\r\nLocation: /\r\n\r\n", CHECK_GOOD, ""},
        {"HTTP/1.1 204 \r\nContent-Length: 5\r\n\r\n", CHECK_GOOD, ""},
        {"HTTP/1.1 404 no\r\n\r\n", CHECK_BAD, "status 404, expected 200-399"},
        {"HTTP/1.1 100 Continue\r\n\r\n" OK "\r\n", CHECK_GOOD, ""},
        {"HTTP/1.1 103 x\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n", CHECK_BAD,
         "the answer is malformed: it has both"},
        {"HTTP/1.1 103 x\r\nLink: </a>\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 500 no\r\n\r\n",
         CHECK_BAD, "status 500"},
        {"HTTP/1.1 200 OK\r\n", CHECK_UNDER_WAY, ""},
        {OK "Content-Length: 5\r\n\r", CHECK_UNDER_WAY, ""},
        {"HTTP/1.1 100 Continue\r\n\r\n", CHECK_UNDER_WAY, ""},
        {"HTTP/1.1 2", CHECK_UNDER_WAY, ""},
        {"220 mail.example ESMTP", CHECK_BAD, "the answer is not HTTP"},
        {"HTTP/2 200\r\n\r\n", CHECK_BAD, "the answer is not HTTP"},
        {"\r\nHTTP/1.1 200 OK\r\n\r\n", CHECK_BAD, "the answer is not HTTP"},
        {"HTTP/1.1 103 x\r\n\r\nx", CHECK_BAD, "the answer is not HTTP"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = strlen(cases[i].text);

        try_one(cases[i].text, n, false, cases[i].outcome, cases[i].why);
        try_one(cases[i].text, n, true, cases[i].outcome, cases[i].why);
    }
}

/* What a client of mode http would get 502 for; a relay of bytes passes it on, so there its status
 * alone counts. */
static void answers_that_mode_http_refuses(void **state) {
    static const struct {
        const char *text;
        bool good; /* by its status */
        const char *why;
    } cases[] = {
        {"HTTP/1.1 200 OK\n\n", true, "a line of it ends with a bare LF"},
        {"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", true, "a line of it ends with a bare LF"},
        {"HTTP/1.1 500 no\n\n", false, "a line of it ends with a bare LF"},
        {OK "A: b\n\n", true, "a line of it ends with a bare LF"},
        {OK "A: b\rc\r\n\r\n", true, "it has a bare CR"},
        {OK "A : b\r\n\r\n", true, "a field of it has a blank before the colon"},
        {OK "A: b\r\n c\r\n\r\n", true, "folding"},
        {OK "A\r\n\r\n", true, "a field line of it has no colon"},
        {OK ": b\r\n\r\n", true, "a field of it has no name"},
        {OK "A: \x01\r\n\r\n", true, "it has a control character"},
        {OK "Content-Length:\r\n\r\n", true, "its Content-Length has not 1 to 19 digits"},
        {OK "Content-Length: -1\r\n\r\n", true, "its Content-Length is no number"},
        {OK "Content-Length: 5, 5\r\n\r\n", true, "its Content-Length is no number"},
        {OK "Content-Length: 9223372036854775808\r\n\r\n", true, "its Content-Length is more"},
        {OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", true, "more than one Content-Length"},
        {OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", true, "both"},
        {OK "Transfer-Encoding: gzip, chunked\r\n\r\n", true, "something else than"},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, "is HTTP/1.0"},
        {"HTTP/1.1 099 x\r\n\r\n", false, "its status is below 100"},
        {"HTTP/1.1 101 x\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n", false, "its status is 101"},
        {"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 OK\n\n", true, "a line of it ends with a bare LF"},
        {"HTTP/1.1 100 x\n\nHTTP/1.1 200 OK\r\n\r\n", false, "a line of it ends with a bare LF"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = strlen(cases[i].text);
        char why[CHECK_WHY_MAX];

        snprintf(why, sizeof(why), "the answer is malformed: ");
        try_one(cases[i].text, n, true, CHECK_BAD, why);
        try_one(cases[i].text, n, true, CHECK_BAD, cases[i].why);
        try_one(cases[i].text, n, false, cases[i].good ? CHECK_GOOD : CHECK_BAD, "");
    }
}

static void a_head_is_bounded(void **state) {
    static char text[8 * HTTP1_HEAD_MAX];
    static const char line[] = OK "X: ", many[] = "HTTP/1.1 103 x\r\n\r\n";
    size_t n = 0;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, line, sizeof(line) - 1);
    memcpy(text + HTTP1_HEAD_MAX - 4, "\r\n\r\n", 4);
    for (size_t step = 3; step < sizeof(text); step = step * 7 + 3) {
        struct check check;
        size_t used;

        begin(&check, true);
        assert_int_equal(hear(&check, text, sizeof(text), step, &used), CHECK_GOOD);
        assert_true(used < HTTP1_HEAD_MAX + step);
        check_end(&check);
    }
    memset(text + HTTP1_HEAD_MAX - 4, 'a', 5);
    memcpy(text + HTTP1_HEAD_MAX - 3, "\r\n\r\n", 4);
    for (size_t step = 3; step < sizeof(text); step = step * 7 + 3)
        for (int strict = 0; strict < 2; strict++) {
            struct check check;
            size_t used;

            begin(&check, strict != 0);
            assert_int_equal(hear(&check, text, sizeof(text), step, &used),
                             strict ? CHECK_BAD : CHECK_GOOD);
            assert_true(used < HTTP1_HEAD_MAX + step);
            assert_true(!strict || strcmp(check.why,
                                          "the answer is malformed: "
                                          "its head is longer than 16384 bytes") == 0);
            check_end(&check);
        }
    for (int i = 0; i < 11; i++, n += sizeof(many) - 1)
        memcpy(text + n, many, sizeof(many) - 1);
    memcpy(text + n, OK "\r\n", sizeof(OK "\r\n") - 1);
    n += sizeof(OK "\r\n") - 1;
    try_one(text, n, false, CHECK_BAD, "the answer has more than 10 interim ones before it");
    try_one(text + sizeof(many) - 1, n - (sizeof(many) - 1), true, CHECK_GOOD, "");
}

/* What is waited for after the verdict, so that the server sees an end in order. */
static void what_is_left_to_read(void **state) {
    static const struct {
        const char *head, *more; /* of its body */
        size_t left;             /* behind the head alone */
        bool over;               /* with what is more */
    } cases[] = {
        {OK "Content-Length: 5\r\n\r\n", "hello", 5, true},
        {OK "Content-Length: 5\r\n\r\n", "hell", 5, false},
        {OK "Content-Length: 999999999\r\n\r\n", "hello", CHECK_DRAIN_MAX, false},
        {OK "Content-Length: 0\r\n\r\n", "x", 0, true},
        {"HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", "x", 0, true},
        {OK "\r\n", "hello", CHECK_DRAIN_MAX, false},
        {OK "Transfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", CHECK_DRAIN_MAX, true},
        {OK "Transfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n0\r\nA: b\r\n\r\nx",
         CHECK_DRAIN_MAX, true},
        {OK "Transfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n0\r\n", CHECK_DRAIN_MAX, false},
        {OK "Transfer-Encoding: chunked\r\n\r\n", "x\r\n0\r\n\r\n", CHECK_DRAIN_MAX, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t head = strlen(cases[i].head), n = strlen(cases[i].more);
        struct check check;
        char text[256];
        size_t used;
        bool over = false;

        begin(&check, true);
        assert_int_equal(hear(&check, cases[i].head, head, head, &used), CHECK_GOOD);
        assert_int_equal(check.left, cases[i].left);
        for (size_t k = 0; k < n && !over && check.left > 0; k++) {
            over = check.ops->rest(&check, cases[i].more + k, 1);
            check.left--;
        }
        assert_int_equal(over || check.left == 0, cases[i].over);
        check_end(&check);

        snprintf(text, sizeof(text), "%s%s", cases[i].head, cases[i].more);
        begin(&check, true);
        assert_int_equal(hear(&check, text, head + n, head + n, &used), CHECK_GOOD);
        assert_int_equal(check.left == 0, cases[i].over);
        check_end(&check);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_that_both_take),
        cmocka_unit_test(answers_that_mode_http_refuses),
        cmocka_unit_test(a_head_is_bounded),
        cmocka_unit_test(what_is_left_to_read),
    };

    return cmocka_run_group_tests_name("check_http", tests, NULL, NULL);
}
