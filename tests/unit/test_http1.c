/* wire/http1: heads of requests; each rule good and bad, in every split. */
#include "http1_split.h"

#define HOST "Host: a\r\n"

static void whole_heads_and_what_they_say(void **state) {
    static const struct {
        const char *head, *method, *target, *path, *query, *host, *authority;
        enum http1_method number;
        bool v1_0, absolute;
        uint8_t n_fields;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "/", "", "a", "a", HTTP1_GET, false,
         false, 1},
        {"GET / HTTP/1.0\r\n\r\n", "GET", "/", "/", "", "", "", HTTP1_GET, true, false, 0},
        {"POST /a/b?c=d?e HTTP/1.1\r\nX:y\r\nhOsT:\t A.Example.:8080 \t\r\nZ: \r\n\r\n", "POST",
         "/a/b?c=d?e", "/a/b", "?c=d?e", "A.Example", "A.Example.:8080", HTTP1_POST, false, false,
         3},
        {"HEAD /? HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", "HEAD", "/?", "/", "?",
         "[2001:db8::1]", "[2001:db8::1]:80", HTTP1_HEAD, false, false, 1},
        {"OPTIONS * HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n", "OPTIONS", "*", "*", "", "10.0.0.1",
         "10.0.0.1", HTTP1_OPTIONS, false, false, 1},
        {"PUT http://a.b:81/c?d HTTP/1.1\r\nHost: A.b:81\r\n\r\n", "PUT", "http://a.b:81/c?d", "/c",
         "?d", "A.b", "A.b:81", HTTP1_PUT, false, true, 1},
        {"DELETE HTTPS://[::1]?d HTTP/1.0\r\n\r\n", "DELETE", "HTTPS://[::1]?d", "", "?d", "[::1]",
         "[::1]", HTTP1_DELETE, true, true, 0},
        {"PATCH http://a HTTP/1.1\r\nHost: a\r\n\r\n", "PATCH", "http://a", "", "", "a", "a",
         HTTP1_PATCH, false, true, 1},
        {"TRACE /~!$&'()*+,;=:@-._%7f\"<>\\^`{|} HTTP/1.1\r\nHost: a_b\r\n\r\n", "TRACE",
         "/~!$&'()*+,;=:@-._%7f\"<>\\^`{|}", "/~!$&'()*+,;=:@-._%7f\"<>\\^`{|}", "", "a_b", "a_b",
         HTTP1_TRACE, false, false, 1},
        {"get /http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "get", "/http://b/", "/http://b/", "", "a",
         "a", HTTP1_METHOD_OTHER, false, false, 1},
        {"!#$%&'*+-.^_`|~09azAZ // HTTP/1.1\r\nHost: a\r\n\r\n", "!#$%&'*+-.^_`|~09azAZ", "//",
         "//", "", "a", "a", HTTP1_METHOD_OTHER, false, false, 1},
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        size_t which = i / 2, skipped = i % 2 * 2, n = strlen(cases[which].head) + skipped;
        struct http1_seen seen;
        const struct http1_head *head = &seen.head;

        snprintf(text, sizeof(text), "%s%sGET /", skipped ? "\r\n" : "", cases[which].head);
        http1_see_split(&seen, text, strlen(text), -1);
        assert_int_equal(seen.outcome, HTTP1_WHOLE);
        assert_int_equal(seen.at, n);
        assert_int_equal(head->length, n);
        assert_int_equal(head->skipped, skipped);
        assert_int_equal(head->v1_0, cases[which].v1_0);
        assert_int_equal(head->method, cases[which].number);
        assert_int_equal(head->absolute, cases[which].absolute);
        assert_int_equal(head->n_fields, cases[which].n_fields);
        assert_int_equal(head->framing, HTTP1_NO_BODY);
        http1_assert_span(text, head->method_text, cases[which].method);
        http1_assert_span(text, head->target, cases[which].target);
        http1_assert_span(text, head->path, cases[which].path);
        http1_assert_span(text, head->query, cases[which].query);
        http1_assert_span(text, head->host, cases[which].host);
        http1_assert_span(text, head->authority, cases[which].authority);
    }
}

/* Refused at the last byte of `head`, whatever follows it. */
static void first_lines_that_are_refused(void **state) {
    static const struct {
        const char *head;
        uint16_t status;
        const char *why;
    } cases[] = {
        {"\n", 400, "bare LF"},
        {"\rG", 400, "bare CR"},
        {"\r\n\r", 400, "as a PROXY header of version 2"},
        {"\r\n\n", 400, "method"},
        {" ", 400, "method"},
        {"\x16", 400, "as TLS does"},
        {"\x15", 400, "method"},
        {"GET\t", 400, "method"},
        {"GET\r", 400, "method"},
        {"G(", 400, "method"},
        {"G\x80", 400, "method"},
        {"GET:", 400, "method"},
        {"GET  ", 400, "one blank"},
        {"GET \r", 400, "one blank"},
        {"GET \t", 400, "one blank"},
        {"GET /\r", 400, "HTTP/0.9"},
        {"GET /\n", 400, "HTTP/0.9"},
        {"GET /\t", 400, "target"},
        {"GET /a#", 400, "target"},
        {"GET /\x01", 400, "target"},
        {"GET /\x7f", 400, "target"},
        {"GET /\x80", 400, "target"},
        {"GET /\xc3", 400, "target"},
        {"GET /  ", 400, "version"},
        {"GET / a", 400, "version"},
        {"PROXY TCP4 1", 400, "a PROXY header that is not expected"},
        {"PROXY1 TCP4 1", 400, "version"},
        {"GET / h", 400, "version"},
        {"GET / \t", 400, "version"},
        {"GET / \r", 400, "version"},
        {"GET / HTTP/ ", 400, "version"},
        {"GET / HTTP/1,", 400, "version"},
        {"GET / HTTP/11", 400, "version"},
        {"GET / HTTP/.", 400, "version"},
        {"GET / HTTP/1.\r", 400, "version"},
        {"GET / HTTP/1.2", 505, "neither"},
        {"GET / HTTP/2.0", 505, "neither"},
        {"GET / HTTP/0.9", 505, "neither"},
        {"GET / HTTP/9.1", 505, "neither"},
        {"PRI * HTTP/2.0", 505, "neither"},
        {"GET / HTTP/1.1 ", 400, "does not end"},
        {"GET / HTTP/1.10", 400, "does not end"},
        {"GET / HTTP/1.1\t", 400, "does not end"},
        {"GET / HTTP/1.1\n", 400, "bare LF"},
        {"GET / HTTP/1.1\r\r", 400, "bare CR"},
        {"GET / HTTP/1.1\rH", 400, "bare CR"},
        {"CONNECT a:443 HTTP/1.1\r\n", 405, "CONNECT"},
        {"CONNECT / HTTP/1.0\r\n", 405, "CONNECT"},
        {"GET * HTTP/1.1\r\n", 400, "OPTIONS"},
        {"options * HTTP/1.1\r\n", 400, "OPTIONS"},
        {"OPTIONS ** HTTP/1.1\r\n", 400, "neither a path"},
        {"OPTIONS *?a HTTP/1.1\r\n", 400, "neither a path"},
        {"GET a HTTP/1.1\r\n", 400, "neither a path"},
        {"GET a:443 HTTP/1.1\r\n", 400, "neither a path"},
        {"GET \\ HTTP/1.1\r\n", 400, "neither a path"},
        {"GET ?a HTTP/1.1\r\n", 400, "neither a path"},
        {"GET http:/a HTTP/1.1\r\n", 400, "neither a path"},
        {"GET ftp://a/ HTTP/1.1\r\n", 400, "neither a path"},
        {"GET ws://a/ HTTP/1.1\r\n", 400, "neither a path"},
        {"GET http:// HTTP/1.1\r\n", 400, "no host"},
        {"GET http:///a HTTP/1.1\r\n", 400, "no host"},
        {"GET http://?a HTTP/1.1\r\n", 400, "no host"},
        {"GET http://u@a/ HTTP/1.1\r\n", 400, "no host"},
        {"GET http://a:b/ HTTP/1.1\r\n", 400, "no host"},
        {"GET http://a\\b/ HTTP/1.1\r\n", 400, "no host"},
    };
    static const char nul[] = "GET /\0", nul_first[] = "\0";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http1_seen seen;
        char text[256];
        int n = snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].head);

        http1_assert_refused(text, (size_t)n, -1, cases[i].status, cases[i].why);
        if (http1_see(&seen, text, strlen(cases[i].head) - 1, -1) != HTTP1_MORE)
            fail_msg("refused earlier: %s", cases[i].head);
        http1_assert_refused(text, strlen(cases[i].head), -1, cases[i].status, cases[i].why);
    }
    http1_assert_refused(nul, sizeof(nul) - 1, -1, 400, "target");
    http1_assert_refused(nul_first, 1, -1, 400, "method");
}

static void hosts_that_are_good(void **state) {
    static const struct {
        const char *value, *host;
    } cases[] = {
        {"a", "a"},
        {"a.b-c.d_e~f", "a.b-c.d_e~f"},
        {"A.", "A"},
        {"a.:1", "a"},
        {"a:0", "a"},
        {"a:65535", "a"},
        {"a:00080", "a"},
        {"1.2.3.4:5", "1.2.3.4"},
        {"[::]", "[::]"},
        {"[::ffff:1.2.3.4]:5", "[::ffff:1.2.3.4]"},
        {"[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8]"},
        {"[ABCD:ef01:2345:6789:abcd:ef01:255.255.255.255]:65535",
         "[ABCD:ef01:2345:6789:abcd:ef01:255.255.255.255]"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http1_seen seen;
        char text[256];
        int n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].value);

        http1_see_split(&seen, text, (size_t)n, -1);
        if (seen.outcome != HTTP1_WHOLE)
            fail_msg("refused: %s", cases[i].value);
        http1_assert_span(text, seen.head.host, cases[i].host);
        http1_assert_span(text, seen.head.authority, cases[i].value);
    }
}

static void hosts_that_are_refused(void **state) {
    static const char *const values[] = {
        "",
        ".",
        "..",
        ".a",
        "a..",
        "a..b",
        "a b",
        "a,b",
        "a, a",
        "a/b",
        "a?b",
        "a#b",
        "a@b",
        "u:p@a",
        "a%41",
        "a\\b",
        "a\xc3\xa9",
        "a!b",
        "a;b",
        "a=b",
        "a'b",
        "a(b",
        "a*",
        "*",
        ":80",
        "a:",
        "a:b",
        "a:1b",
        "a:-1",
        "a:+1",
        "a:65536",
        "a:000080",
        "a:1:2",
        "a: 1",
        "a :1",
        "::1",
        "1::",
        "[]",
        "[",
        "]",
        "[::1",
        "::1]",
        "[::1]a",
        "[::1]:",
        "[::1]]",
        "[[::1]]",
        "[::1]:x",
        "[::1%25lo]",
        "[v1.a]",
        "[a]",
        "[:]",
        "[1.2.3.4]",
        "[::1 ]",
        "[12345::]",
        "[1:2:3:4:5:6:7]",
        "[1:2:3:4:5:6:7:8:9]",
        "[::1::]",
        "[::1].",
        "<a>",
        "\"a\"",
        "a\tb",
        "http://a",
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        int n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n", values[i]);
        http1_assert_refused(text, (size_t)n, -1, 400, "Host is no host");
    }
    /* 255 bytes are a name, 256 are none */
    for (size_t size = 254; size <= 256; size++) {
        struct http1_seen seen;
        char name[300];

        memset(name, 'a', size);
        name[size] = '\0';
        int n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s:80\r\n\r\n", name);
        assert_int_equal(http1_see(&seen, text, (size_t)n, -1),
                         size < 256 ? HTTP1_WHOLE : HTTP1_BAD);
    }
}

static void one_host_and_the_targets(void **state) {
    static const struct {
        const char *head, *why;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", "it has no Host"},
        {"GET / HTTP/1.1\r\nX: Host: a\r\n\r\n", "it has no Host"},
        {"GET http://a/ HTTP/1.1\r\n\r\n", "it has no Host"},
        {"GET / HTTP/1.1\r\n" HOST HOST, "more than one Host"},
        {"GET / HTTP/1.0\r\n" HOST "X: y\r\nHOST: b\r\n", "more than one Host"},
        {"GET / HTTP/1.0\r\nHost:\r\n", "Host is no host"},
        {"GET http://a/ HTTP/1.1\r\nHost: b\r\n", "another one"},
        {"GET http://a/ HTTP/1.0\r\nHost: b\r\n", "another one"},
        {"GET http://a/ HTTP/1.1\r\nHost: a:80\r\n", "another one"},
        {"GET http://a:80/ HTTP/1.1\r\nHost: a\r\n", "another one"},
        {"GET http://a./ HTTP/1.1\r\nHost: a\r\n", "another one"},
        {"GET http://[::1]/ HTTP/1.1\r\nHost: [0::1]\r\n", "another one"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        http1_assert_refused(cases[i].head, strlen(cases[i].head), -1, 400, cases[i].why);
}

static void methods_that_may_be_sent_again(void **state) {
    (void)state;
    for (int method = HTTP1_METHOD_OTHER; method <= HTTP1_PATCH; method++)
        assert_int_equal(http1_is_idempotent((enum http1_method)method),
                         method != HTTP1_METHOD_OTHER && method != HTTP1_POST &&
                             method != HTTP1_PATCH && method != HTTP1_CONNECT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_heads_and_what_they_say),
        cmocka_unit_test(first_lines_that_are_refused),
        cmocka_unit_test(hosts_that_are_good),
        cmocka_unit_test(hosts_that_are_refused),
        cmocka_unit_test(one_host_and_the_targets),
        cmocka_unit_test(methods_that_may_be_sent_again),
    };

    return cmocka_run_group_tests_name("http1", tests, NULL, NULL);
}
