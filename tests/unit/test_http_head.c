/* wire/http_head: what counts of an answer, in whatever split it comes. Pure. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "wire/http_head.h"

static enum http_head_outcome take_in(struct http_head *head, const char *text, size_t n,
                                      size_t step, size_t *ret_used) {
    enum http_head_outcome outcome = HTTP_HEAD_MORE;
    size_t at = 0;

    *head = (struct http_head){0};
    while (at < n && outcome == HTTP_HEAD_MORE) {
        size_t used;

        outcome = http_head_take(head, text + at, step < n - at ? step : n - at, &used);
        at += used;
    }
    *ret_used = at;
    return outcome;
}

static void heads_and_what_they_say(void **state) {
    static const struct {
        const char *head, *rest;
        int status;
        int64_t content;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", "body", 200, HTTP_CONTENT_OPEN},
        {"HTTP/1.1 200 OK\n\n", "body", 200, HTTP_CONTENT_OPEN},
        {"HTTP/1.0 404\r\nContent-Length: 12\r\n\r\n", "a", 404, 12},
        {"HTTP/1.1 200 OK\r\nX: y\r\ncOnTeNt-lEnGtH:\t 0012 \t\r\nA: b\r\n\r\n", "", 200, 12},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 200, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "", 200, HTTP_CONTENT_OPEN},
        {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "", 200, HTTP_CONTENT_OPEN},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1 2\r\n\r\n", "", 200, HTTP_CONTENT_OPEN},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", "", 200, INT64_MAX},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n", "", 200,
         HTTP_CONTENT_OPEN},
        {"HTTP/1.1 200 OK\r\nContent-Length: "
         "000000000000000000000000000000000000000000000000001\r\n"
         "\r\n",
         "", 200, HTTP_CONTENT_OPEN},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "", 200,
         HTTP_CONTENT_OPEN},
        {"HTTP/1.1 200 OK\r\nContent-Lengthy: 5\r\n\r\n", "", 200, HTTP_CONTENT_OPEN},
        {"HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n", "", 204, 0},
        {"HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", "", 304, 0},
        {"HTTP/1.1 101 x\r\n\r\n", "frames", 101, 0},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "abc", 200,
         3},
        {"HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n"
         "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 x\r\n\r\nHTTP/1.1 500 no\r\n\r\n",
         "", 500, HTTP_CONTENT_OPEN},
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int n = snprintf(text, sizeof(text), "%s%s", cases[i].head, cases[i].rest);

        for (size_t step = 1; step <= (size_t)n; step++) {
            struct http_head head;
            size_t used;

            assert_int_equal(take_in(&head, text, (size_t)n, step, &used), HTTP_HEAD_WHOLE);
            assert_int_equal(used, strlen(cases[i].head));
            assert_int_equal(head.line.status, cases[i].status);
            assert_int_equal(head.content, cases[i].content);
        }
        for (size_t cut = 0; cut < strlen(cases[i].head); cut++) {
            struct http_head head;
            size_t used;

            assert_int_equal(take_in(&head, text, cut, cut + 1, &used), HTTP_HEAD_MORE);
            assert_int_equal(used, cut);
        }
    }
}

static void what_is_not_http(void **state) {
    static const char *const texts[] = {"220 mail\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n",
                                        "HTTP/1.1 103 x\r\n\r\nx", "HTTP/2 200\r\n\r\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct http_head head;
        size_t used;

        assert_int_equal(take_in(&head, texts[i], strlen(texts[i]), 1, &used), HTTP_HEAD_NOT_HTTP);
    }
}

/* A head of so many bytes, of one long field or of many interim answers. */
static void a_head_is_bounded(void **state) {
    static char text[4 * HTTP_HEAD_MAX];
    static const char line[] = "HTTP/1.1 200 OK\r\nX: ", interim[] = "HTTP/1.1 103 x\r\n\r\n";
    struct http_head head;
    size_t used;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, line, sizeof(line) - 1);
    memcpy(text + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
    for (size_t step = 1; step < 5000; step = step * 7 + 3) {
        assert_int_equal(take_in(&head, text, sizeof(text), step, &used), HTTP_HEAD_WHOLE);
        assert_int_equal(used, HTTP_HEAD_MAX);
    }
    memset(text + HTTP_HEAD_MAX - 4, 'a', 4);
    memcpy(text + HTTP_HEAD_MAX - 3, "\r\n\r\n", 4);
    for (size_t step = 1; step < 5000; step = step * 7 + 3)
        assert_int_equal(take_in(&head, text, sizeof(text), step, &used), HTTP_HEAD_LONG);
    for (size_t i = 0; i + sizeof(interim) < sizeof(text); i += sizeof(interim) - 1)
        memcpy(text + i, interim, sizeof(interim) - 1);
    assert_int_equal(take_in(&head, text, sizeof(text), 100, &used), HTTP_HEAD_LONG);
    assert_true(used <= HTTP_HEAD_MAX + STATUS_LINE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_and_what_they_say),
        cmocka_unit_test(what_is_not_http),
        cmocka_unit_test(a_head_is_bounded),
    };

    return cmocka_run_group_tests_name("http_head", tests, NULL, NULL);
}
