/* wire/http1: heads of answers; each rule good and bad, in every split. */
#include "http1_split.h"

#define OK "HTTP/1.1 200 OK\r\n"

static void whole_answers_and_what_they_say(void **state) {
    static const struct {
        const char *head;
        enum http1_method method;
        uint16_t status;
        const char *reason;
        enum http1_framing framing;
        uint64_t content_length;
        bool v1_0, close;
    } cases[] = {
        {OK "\r\n", HTTP1_GET, 200, "OK", HTTP1_UNTIL_END, 0, false, true},
        {OK "Content-Length: 0\r\n\r\n", HTTP1_GET, 200, "OK", HTTP1_LENGTH, 0, false, false},
        {OK "Content-Length: 12\r\n\r\n", HTTP1_POST, 200, "OK", HTTP1_LENGTH, 12, false, false},
        {OK "content-length:\t0012 \r\nConnection: close\r\n\r\n", HTTP1_GET, 200, "OK",
         HTTP1_LENGTH, 12, false, true},
        {OK "Transfer-Encoding: Chunked\r\n\r\n", HTTP1_GET, 200, "OK", HTTP1_CHUNKED, 0, false,
         false},
        {OK "Content-Length: 12\r\n\r\n", HTTP1_HEAD, 200, "OK", HTTP1_NO_BODY, 12, false, false},
        {OK "Transfer-Encoding: chunked\r\n\r\n", HTTP1_HEAD, 200, "OK", HTTP1_NO_BODY, 0, false,
         false},
        {OK "\r\n", HTTP1_HEAD, 200, "OK", HTTP1_NO_BODY, 0, false, false},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", HTTP1_GET, 204, "No Content",
         HTTP1_NO_BODY, 5, false, false},
        {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_GET, 304,
         "Not Modified", HTTP1_NO_BODY, 0, false, false},
        {"HTTP/1.1 100 Continue\r\n\r\n", HTTP1_POST, 100, "Continue", HTTP1_NO_BODY, 0, false,
         false},
        {"HTTP/1.1 103 \r\nLink: </a>\r\n\r\n", HTTP1_GET, 103, "", HTTP1_NO_BODY, 0, false, false},
        {"HTTP/1.1 199 x\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_GET, 199, "x", HTTP1_NO_BODY,
         0, false, false},
        {"HTTP/1.1 404\r\nContent-Length: 1\r\n\r\n", HTTP1_GET, 404, "", HTTP1_LENGTH, 1, false,
         false},
        {"HTTP/1.1 999  \t \xe9t\xe9 \r\nContent-Length: 1\r\n\r\n", HTTP1_GET, 999,
         " \t \xe9t\xe9 ", HTTP1_LENGTH, 1, false, false},
        {"HTTP/1.0 200 OK\r\n\r\n", HTTP1_GET, 200, "OK", HTTP1_UNTIL_END, 0, true, true},
        {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", HTTP1_GET, 200, "OK", HTTP1_LENGTH, 3,
         true, true},
        {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: Keep-Alive\r\n\r\n", HTTP1_GET, 200,
         "OK", HTTP1_LENGTH, 3, true, false},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", HTTP1_GET, 200, "OK", HTTP1_UNTIL_END,
         0, true, true},
        {OK "Connection: keep-alive, Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n",
         HTTP1_GET, 200, "OK", HTTP1_CHUNKED, 0, false, false},
        {OK "Host: x y\r\nHost: z\r\nExpect: much\r\nContent-Length: 1\r\n\r\n", HTTP1_TRACE, 200,
         "OK", HTTP1_LENGTH, 1, false, false},
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http1_seen seen;
        const struct http1_head *head = &seen.head;

        snprintf(text, sizeof(text), "%sbody", cases[i].head);
        http1_see_split(&seen, text, strlen(text), (int)cases[i].method);
        if (seen.outcome != HTTP1_WHOLE || head->framing != cases[i].framing)
            fail_msg("outcome %d, framing %d: %s", seen.outcome, head->framing, text);
        assert_int_equal(head->length, strlen(cases[i].head));
        assert_int_equal(seen.at, head->length);
        assert_int_equal(head->skipped, 0);
        assert_int_equal(head->status, cases[i].status);
        assert_int_equal(head->v1_0, cases[i].v1_0);
        assert_int_equal(head->close, cases[i].close);
        assert_int_equal(head->content_length, cases[i].content_length);
        http1_assert_span(text, head->reason, cases[i].reason);
    }
}

static void an_upgrade_is_answered(void **state) {
    static const char text[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\n\r\n";
    struct http1_seen seen;

    (void)state;
    http1_see_split(&seen, text, sizeof(text) - 1, HTTP1_GET);
    assert_int_equal(seen.outcome, HTTP1_WHOLE);
    assert_int_equal(seen.head.framing, HTTP1_NO_BODY);
    assert_true(seen.head.upgrades);
    http1_assert_span(text, seen.head.upgrade, "websocket");
}

/* Refused at the last byte. */
static void answers_that_are_refused(void **state) {
    static const struct {
        const char *head, *why;
    } cases[] = {
        {"\r", "version"},
        {"\n", "version"},
        {" ", "version"},
        {"h", "version"},
        {"2", "version"},
        {"HTTP/1.12", "three digits"},
        {"HTTP/2.0", "neither"},
        {"HTTP/2 ", "version"},
        {"HTTP/1.2", "neither"},
        {"HTTP/1.1\r", "three digits"},
        {"HTTP/1.1\t", "three digits"},
        {"HTTP/1.1  ", "three digits"},
        {"HTTP/1.1 0", "below 100"},
        {"HTTP/1.1 2 ", "three digits"},
        {"HTTP/1.1 20 ", "three digits"},
        {"HTTP/1.1 20\r", "three digits"},
        {"HTTP/1.1 -", "three digits"},
        {"HTTP/1.1 20x", "three digits"},
        {"HTTP/1.1 2000", "does not end"},
        {"HTTP/1.1 200\t", "does not end"},
        {"HTTP/1.1 200\n", "bare LF"},
        {"HTTP/1.1 200 OK\n", "bare LF"},
        {"HTTP/1.1 200 OK\r\r", "bare CR"},
        {"HTTP/1.1 200 O\x01", "control"},
        {OK "\n", "bare LF"},
        {OK " ", "folding"},
        {OK "A: b\r\n ", "folding"},
        {OK "A: b\n", "bare LF"},
        {OK "A ", "blank before the colon"},
        {OK "A: b\rc", "bare CR"},
        {OK "A: \x7f", "control"},
        {OK ":", "no name"},
        {OK "A\r", "no colon"},
        {OK "Content-Length: 1\r\nContent-Length: 1\r\n", "more than one"},
        {OK "Content-Length: 1, 1\r\n", "no number"},
        {OK "Content-Length: -1\r\n", "no number"},
        {OK "Content-Length:\r\n", "1 to 19 digits"},
        {OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "both"},
        {OK "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", "both"},
        {OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "more than one"},
        {OK "Transfer-Encoding: gzip, chunked\r\n", "else than"},
        {OK "Transfer-Encoding: identity\r\n", "else than"},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n", "HTTP/1.0"},
        {"HTTP/1.1 204 x\r\nContent-Length: x\r\n", "no number"},
        {OK "Connection: Content-Length\r\n", "names a field"},
        {OK "Connection: Set-Cookie\r\n", "names a field"},
        {OK "Connection: a b\r\n", "no token"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http1_seen seen;

        http1_assert_refused(cases[i].head, strlen(cases[i].head), HTTP1_GET, 502, cases[i].why);
        if (http1_see(&seen, cases[i].head, strlen(cases[i].head) - 1, HTTP1_GET) != HTTP1_MORE)
            fail_msg("refused earlier: %s", cases[i].head);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers_and_what_they_say),
        cmocka_unit_test(an_upgrade_is_answered),
        cmocka_unit_test(answers_that_are_refused),
    };

    return cmocka_run_group_tests_name("http1_answer", tests, NULL, NULL);
}
