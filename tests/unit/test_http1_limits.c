/* wire/http1: limits, one below, at, and one above; what a head costs; what is asked of a head. */
#include "http1_split.h"

#include "cpu_time.h"

static char text[2 * HTTP1_HEAD_MAX];

/* What the first n bytes of text are. */
static void assert_outcome(size_t n, enum http1_outcome outcome, uint16_t status) {
    static struct http1_seen seen;

    http1_see(&seen, text, n, -1);
    if (seen.outcome != outcome || (outcome == HTTP1_BAD && seen.fault.status != status))
        fail_msg("%zu bytes give %d, %d instead of %d, %d", n, seen.outcome,
                 seen.outcome == HTTP1_BAD ? seen.fault.status : 0, outcome, status);
    if (outcome == HTTP1_WHOLE)
        assert_int_equal(seen.head.length, n);
}

/* Of n bytes in one long field. */
static size_t write_head(size_t n) {
    memset(text, 'a', sizeof(text));
    memcpy(text, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
    memcpy(text + n - 4, "\r\n\r\n", 4);
    return n;
}

static void a_head_has_16384_bytes(void **state) {
    static struct http1_seen seen;

    (void)state;
    assert_outcome(write_head(HTTP1_HEAD_MAX - 1), HTTP1_WHOLE, 0);
    assert_outcome(write_head(HTTP1_HEAD_MAX), HTTP1_WHOLE, 0);
    write_head(HTTP1_HEAD_MAX + 1);
    assert_outcome(HTTP1_HEAD_MAX - 1, HTTP1_MORE, 0);
    assert_outcome(HTTP1_HEAD_MAX, HTTP1_BAD, 431);
    assert_outcome(HTTP1_HEAD_MAX + 1, HTTP1_BAD, 431);
    assert_outcome(sizeof(text), HTTP1_BAD, 431);
    /* a head that is whole, and much behind it */
    write_head(HTTP1_HEAD_MAX);
    http1_see(&seen, text, sizeof(text), -1);
    assert_int_equal(seen.outcome, HTTP1_WHOLE);
    assert_int_equal(seen.head.length, HTTP1_HEAD_MAX);
    /* an answer */
    memcpy(text, "HTTP/1.1 200 ", 13);
    assert_int_equal(http1_see(&seen, text, HTTP1_HEAD_MAX - 1, HTTP1_GET), HTTP1_MORE);
    text[HTTP1_HEAD_MAX - 1] = 'x';
    assert_int_equal(http1_see(&seen, text, HTTP1_HEAD_MAX, HTTP1_GET), HTTP1_BAD);
    assert_int_equal(seen.fault.status, 502);
}

static void a_target_has_8192_bytes(void **state) {
    (void)state;
    for (size_t n = HTTP1_TARGET_MAX - 1; n <= HTTP1_TARGET_MAX + 1; n++) {
        memset(text, 'a', sizeof(text));
        memcpy(text, "GET /", 5);
        strcpy(text + 4 + n, " HTTP/1.1\r\nHost: a\r\n\r\n");
        if (n <= HTTP1_TARGET_MAX) {
            assert_outcome(4 + n, HTTP1_MORE, 0);
            assert_outcome(strlen(text), HTTP1_WHOLE, 0);
        } else {
            assert_outcome(4 + n - 1, HTTP1_MORE, 0);
            assert_outcome(4 + n, HTTP1_BAD, 414);
            assert_outcome(strlen(text), HTTP1_BAD, 414);
        }
    }
}

static void a_method_has_32_bytes(void **state) {
    (void)state;
    for (size_t n = 31; n <= 33; n++) {
        memset(text, 'A', n);
        strcpy(text + n, " / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_outcome(strlen(text), n <= 32 ? HTTP1_WHOLE : HTTP1_BAD, 501);
        assert_outcome(n, n <= 32 ? HTTP1_MORE : HTTP1_BAD, 501);
    }
}

static void a_head_has_100_fields(void **state) {
    (void)state;
    for (size_t n = HTTP1_FIELDS_MAX - 1; n <= HTTP1_FIELDS_MAX + 1; n++) {
        size_t at = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n");

        for (size_t i = 1; i < n; i++)
            at += (size_t)snprintf(text + at, sizeof(text) - at, "X-%zu: y\r\n", i);
        strcpy(text + at, "\r\n");
        assert_outcome(at + 2, n <= HTTP1_FIELDS_MAX ? HTTP1_WHOLE : HTTP1_BAD, 431);
    }
}

/* Byte by byte, by who asks whether it is worth while: a parse for each line. */
static void a_slow_head_costs_little(void **state) {
    static struct http1_seen seen;
    size_t n, parses = 0, last = 0;
    enum http1_outcome outcome = HTTP1_MORE;

    (void)state;
    n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n");
    for (size_t i = 1; i < HTTP1_FIELDS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "X: %0150d\r\n", 0);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n");
    for (size_t i = 1; i <= n; i++)
        if (http1_has_news(text, last, i)) {
            outcome = http1_parse_request(text, i, &seen.head, &seen.fault);
            parses++;
            last = i;
        } else {
            assert_int_equal(outcome, HTTP1_MORE);
        }
    assert_int_equal(outcome, HTTP1_WHOLE);
    assert_int_equal(seen.head.length, n);
    assert_int_equal(parses, HTTP1_FIELDS_MAX + 3); /* with the first byte */
    assert_true(http1_has_news("GET /", 0, 5));
    assert_false(http1_has_news("GET /", 3, 5));
    assert_false(http1_has_news("a\n", 2, 2));
    assert_true(http1_has_news("\n", 0, 1));
    write_head(sizeof(text));
    assert_false(http1_has_news(text, 30, HTTP1_HEAD_MAX - 1));
    assert_true(http1_has_news(text, 30, HTTP1_HEAD_MAX));
}

static const char usual[] =
    "GET /assets/app.3f2a1c.js?v=20261130 HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Referer: https://www.example.com/index.html\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "Sec-Fetch-Dest: script\r\n"
    "Sec-Fetch-Mode: no-cors\r\n"
    "\r\n";

/* The least processor time, in microseconds, of parsing it ROUNDS times. */
#define ROUNDS (SANITIZED ? 100 : 2000)
static usec_t cost_of(const char *bytes, size_t n) {
    static struct http1_seen seen;
    usec_t best = INT64_MAX;

    for (int round = 0; round < 5; round++) {
        usec_t from = cpu_time(CLOCK_THREAD_CPUTIME_ID), took;

        for (int i = 0; i < ROUNDS; i++)
            if (http1_parse_request(bytes, n, &seen.head, &seen.fault) != HTTP1_WHOLE)
                fail();
        took = cpu_time(CLOCK_THREAD_CPUTIME_ID) - from;
        best = took < best ? took : best;
    }
    return best > 0 ? best : 1;
}

/* The worst that is known: Connection names as many fields as it may, all as long as all fields.
 * For each byte it costs less than 30 times as much as a usual head. */
static void no_head_costs_out_of_proportion(void **state) {
    size_t n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nConnection: ");

    (void)state;
    for (size_t i = 0; i < 16; i++)
        n +=
            (size_t)snprintf(text + n, sizeof(text) - n, "%sx-abcdefgh-%02zu", i > 0 ? "," : "", i);
    for (size_t i = 0; i < HTTP1_FIELDS_MAX - 2; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\nx-abcdefgh-%02zu:", i);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n\r\n");
    usec_t ordinary = cost_of(usual, sizeof(usual) - 1), worst = cost_of(text, n);
    print_message("%d heads of %zu bytes: %lld us; of %zu: %lld us\n", ROUNDS, sizeof(usual) - 1,
                  (long long)ordinary, n, (long long)worst);
    assert_true((double)worst / (double)n < 30 * (double)ordinary / (double)sizeof(usual));
}

/* What is asked of a head */

static struct http1_span whole_of(const char *bytes) {
    return (struct http1_span){0, (uint16_t)strlen(bytes)};
}

static void paths_that_routes_may_ask_about(void **state) {
    static const char *const plain[] = {
        "/",     "/a",     "/a/",  "/a/b.c/..d/.e/f./g../...", "/%41%7e%20%25", "/a;b/c", "/.a;b",
        "/...;", "/%2525", "/%ff", "/a:b@c!$&'()*+,=",         "/%c0%af",
    };
    static const char *const others[] = {
        "",       "*",       "a",      "a/b",   ".",         "//",          "///",       "//a",
        "/a//",   "/a//b",   "/.",     "/..",   "/./",       "/../",        "/a/.",      "/a/..",
        "/a/./b", "/a/../b", "/%2e",   "/%2E/", "/a/.%2e/b", "/a/%2e%2e/b", "/a%2eb",    "/a%2fb",
        "/a%2Fb", "/a%5cb",  "/a%5Cb", "/a\\b", "/\\",       "/a%00",       "/%00b",     "/%",
        "/a%2",   "/%zz",    "/%2g",   "/%g2",  "/%%41",     "/..;/a",      "/a/..;b/c", "/.;",
        "/a/..;", "/%u002e",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (!http1_path_is_plain(plain[i], whole_of(plain[i])))
            fail_msg("not plain: %s", plain[i]);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (http1_path_is_plain(others[i], whole_of(others[i])))
            fail_msg("plain: %s", others[i]);
    /* what follows the path does not count */
    assert_true(http1_path_is_plain("/a%2e", (struct http1_span){0, 2}));
    assert_false(http1_path_is_plain("/a%2e", (struct http1_span){0, 3}));
    assert_false(http1_path_is_plain("x/a/..b", (struct http1_span){1, 5}));
}

static void words_and_lists(void **state) {
    static const char list[] = "x: gzip , Br,,\tde ,chunked";

    (void)state;
    struct http1_span value = {3, sizeof(list) - 4};
    assert_true(http1_lists(list, value, "gzip") && http1_lists(list, value, "bR") &&
                http1_lists(list, value, "DE") && http1_lists(list, value, "chunked"));
    assert_false(http1_lists(list, value, "gzi") || http1_lists(list, value, "gzip ") ||
                 http1_lists(list, value, "x") || http1_lists(list, value, "chunkedd") ||
                 http1_lists(list, value, ""));
    assert_false(http1_lists(list, (struct http1_span){3, 0}, "gzip"));
    assert_true(http1_lists(list, (struct http1_span){3, 4}, "gzip"));
    assert_false(http1_lists(list, (struct http1_span){3, 3}, "gzip"));
    assert_true(http1_is("abC-1", (struct http1_span){1, 4}, "Bc-1"));
    assert_true(http1_is("abc", (struct http1_span){1, 0}, ""));
    assert_false(http1_is("abc", (struct http1_span){0, 2}, "abc"));
    assert_false(http1_is("abc", (struct http1_span){0, 3}, "ab"));
    assert_false(http1_is("a\0c", (struct http1_span){0, 3}, "a"));
    assert_false(http1_is("@", (struct http1_span){0, 1}, "`"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_has_16384_bytes),
        cmocka_unit_test(a_target_has_8192_bytes),
        cmocka_unit_test(a_method_has_32_bytes),
        cmocka_unit_test(a_head_has_100_fields),
        cmocka_unit_test(a_slow_head_costs_little),
        cmocka_unit_test(no_head_costs_out_of_proportion),
        cmocka_unit_test(paths_that_routes_may_ask_about),
        cmocka_unit_test(words_and_lists),
    };

    return cmocka_run_group_tests_name("http1_limits", tests, NULL, NULL);
}
