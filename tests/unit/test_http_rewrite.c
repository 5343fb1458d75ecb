/* http/rewrite: requests as servers get them. */
#include "http_texts.h"

#include <errno.h>

#include "base/sanitized.h"

struct asked {
    const char *client; /* "": of a unix socket */
    bool trusted, tls;
    const char *id;
};

static const struct asked plain = {"192.0.2.7", false, false, ""};
static const struct asked by_tls = {"2001:db8::7", false, true, "id-1"};
static const struct asked by_proxy = {"10.0.0.2", true, false, "id-2"};

static int rewritten(const struct config *config, const struct asked *asked, const char *text,
                     struct http_out *out) {
    struct http1_head head = request_of(text);
    struct addr client = client_at(asked->client);
    const struct http_facts facts = {.listener = &config->listeners[0],
                                     .route = route_taken(config, text, &head),
                                     .client = &client,
                                     .trusted = asked->trusted,
                                     .tls = asked->tls,
                                     .v1_0 = head.v1_0,
                                     .request_id = asked->id};

    return http_rewrite_request(text, &head, &facts, out);
}

static void becomes(const struct config *config, const struct asked *asked, const char *text,
                    const char *expected) {
    struct http_out out;

    assert_int_equal(rewritten(config, asked, text, &out), 0);
    char *got = text_of_out(&out);
    assert_string_equal(got, expected);
    free(got);
}

#define SEEN_BY(client)                                                                            \
    "X-Forwarded-For: " client                                                                     \
    "\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.b\r\n"                                     \
    "X-Real-IP: " client "\r\n"
#define SEEN SEEN_BY("192.0.2.7")

static void test_what_is_passed_and_added(void **state) {
    struct config *config = http_config("upstream = app");

    (void)state;
    becomes(config, &plain,
            "\r\nGET /x?y=/z HTTP/1.1\r\nHost: a.b\r\nUser-Agent: u\r\n"
            "Connection: keep-alive, X-Mine\r\nX-Mine: 1\r\nAccept:  */* \r\nTE: trailers\r\n"
            "Keep-Alive: 5\r\nTrailer: x\r\nX_Real_IP: 1\r\nCookie: c=d\r\n\r\n",
            "GET /x?y=/z HTTP/1.1\r\nHost: a.b\r\nUser-Agent: u\r\nAccept:  */* \r\n"
            "Cookie: c=d\r\n" SEEN "\r\n");
    becomes(config, &by_tls, "GET / HTTP/1.1\r\nHOST: [2001:DB8::1]:443\r\n\r\n",
            "GET / HTTP/1.1\r\nHOST: [2001:DB8::1]:443\r\nX-Forwarded-For: 2001:db8::7\r\n"
            "X-Forwarded-Proto: https\r\nX-Forwarded-Host: [2001:DB8::1]:443\r\n"
            "X-Real-IP: 2001:db8::7\r\nX-Request-ID: id-1\r\n\r\n");
    config_unref(config);
}

static void test_forms_of_the_request_line(void **state) {
    struct config *config = http_config("upstream = app");

    (void)state;
    becomes(config, &plain, "GET http://a.b/x?y HTTP/1.1\r\nHost: a.b\r\n\r\n",
            "GET /x?y HTTP/1.1\r\nHost: a.b\r\n" SEEN "\r\n");
    becomes(config, &plain, "GET http://a.b?y HTTP/1.1\r\nHost: a.b\r\n\r\n",
            "GET /?y HTTP/1.1\r\nHost: a.b\r\n" SEEN "\r\n");
    becomes(config, &plain, "GET http://a.b HTTP/1.1\r\nHost: a.b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.b\r\n" SEEN "\r\n");
    becomes(config, &plain, "OPTIONS http://a.b HTTP/1.1\r\nHost: a.b\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a.b\r\n" SEEN "\r\n");
    becomes(config, &plain, "OPTIONS * HTTP/1.1\r\nHost: a.b\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a.b\r\n" SEEN "\r\n");
    becomes(config, &plain, "GET http://a.b/ HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.b\r\n" SEEN "\r\n");
    becomes(config, &plain, "GET /x HTTP/1.0\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.7\r\n"
            "X-Forwarded-Proto: http\r\nX-Real-IP: 192.0.2.7\r\n\r\n");
    becomes(config, &plain, "GET /x HTTP/1.0\r\nHost: a.b\r\nConnection: keep-alive\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: a.b\r\n" SEEN "\r\n");
    config_unref(config);
}

static void test_framing_is_written_anew(void **state) {
    struct config *config = http_config("upstream = app");

    (void)state;
    becomes(config, &plain,
            "POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 007\r\nExpect: 100-continue\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.b\r\nExpect: 100-continue\r\n" SEEN
            "Content-Length: 7\r\n\r\n");
    becomes(config, &plain, "POST / HTTP/1.1\r\nContent-Length: 0\r\nHost: a.b\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.b\r\n" SEEN "Content-Length: 0\r\n\r\n");
    becomes(config, &plain,
            "POST / HTTP/1.1\r\nHost: a.b\r\ntransfer-encoding:  CHUNKED\r\nX: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.b\r\nX: 1\r\n" SEEN "Transfer-Encoding: chunked\r\n\r\n");
    becomes(config, &plain,
            "POST / HTTP/1.0\r\nHost: a.b\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a.b\r\n" SEEN "Content-Length: 7\r\n\r\n");
    config_unref(config);
}

#define ASKS(protocol) "Connection: Upgrade\r\nUpgrade: " protocol "\r\nSec-WebSocket-Key: k\r\n"
#define HEAD           "GET /x HTTP/1.1\r\nHost: a.b\r\n"

static void test_upgrades(void **state) {
    struct config *config = http_config("upstream = app");

    (void)state;
    becomes(config, &plain, HEAD ASKS("WebSocket") "\r\n",
            HEAD "Sec-WebSocket-Key: k\r\n" SEEN
                 "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    becomes(config, &plain, HEAD ASKS("h2c") "HTTP2-Settings: x\r\n\r\n",
            HEAD "Sec-WebSocket-Key: k\r\n" SEEN "\r\n");
    becomes(config, &plain, HEAD ASKS("websocket, h2c") "\r\n",
            HEAD "Sec-WebSocket-Key: k\r\n" SEEN "\r\n");
    becomes(config, &plain, HEAD "Upgrade: websocket\r\n\r\n", HEAD SEEN "\r\n");
    becomes(config, &plain, HEAD ASKS("websocket") "Content-Length: 3\r\n\r\n",
            HEAD "Sec-WebSocket-Key: k\r\n" SEEN "Content-Length: 3\r\n\r\n");
    config_unref(config);
    config = http_config("upstream = app websocket = false");
    becomes(config, &plain, HEAD ASKS("websocket") "\r\n",
            HEAD "Sec-WebSocket-Key: k\r\n" SEEN "\r\n");
    config_unref(config);
}

#define CLAIMS                                                                                     \
    "X-Forwarded-For: 203.0.113.9\r\nx-forwarded-proto: https\r\nX-Forwarded-Host: evil\r\n"       \
    "X-Real-IP: 203.0.113.9\r\nX-Request-Id: theirs\r\nForwarded: for=203.0.113.9\r\nVia: 1.1 "    \
    "p\r\n"

static void test_claims_of_clients(void **state) {
    struct config *config = http_config("upstream = app trusted_proxies = \"10.0.0.0/8\"");

    (void)state;
    becomes(config, &plain, HEAD CLAIMS "\r\n", HEAD "Via: 1.1 p\r\n" SEEN "\r\n");
    becomes(config, &by_proxy, HEAD CLAIMS "\r\n",
            HEAD
            "x-forwarded-proto: https\r\nX-Forwarded-Host: evil\r\n"
            "Forwarded: for=203.0.113.9\r\nVia: 1.1 p\r\n"
            "X-Forwarded-For: 203.0.113.9, 10.0.0.2\r\nX-Real-IP: 203.0.113.9\r\n"
            "X-Request-ID: id-2\r\n\r\n");
    becomes(config, &by_proxy, HEAD "\r\n", HEAD SEEN_BY("10.0.0.2") "X-Request-ID: id-2\r\n\r\n");
    config_unref(config);
    config = http_config("upstream = app request_id = false");
    becomes(config, &plain, HEAD "X-Request-ID: theirs\r\n\r\n",
            HEAD "X-Request-ID: theirs\r\n" SEEN "\r\n");
    config_unref(config);
}

/* X-Forwarded-For in, X-Real-IP and X-Forwarded-For out. */
static void test_who_asks_behind_proxies(void **state) {
    static const char *const lists[][3] = {
        {"X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\n", "203.0.113.9",
         "198.51.100.1, 203.0.113.9"},
        {"X-Forwarded-For: 198.51.100.1 ,203.0.113.9 , 10.1.1.1\r\n", "203.0.113.9",
         "198.51.100.1 ,203.0.113.9 , 10.1.1.1"},
        {"X-Forwarded-For: 2001:db8::1\r\nX-Forwarded-For: 10.1.1.1\r\n", "2001:db8::1",
         "2001:db8::1, 10.1.1.1"},
        {"X-Forwarded-For: 10.1.1.2, 10.1.1.1\r\n", "10.1.1.2", "10.1.1.2, 10.1.1.1"},
        {"X-Forwarded-For: x, 10.1.1.1\r\n", "10.1.1.1", "x, 10.1.1.1"},
        {"X-Forwarded-For: 203.0.113.9, unknown\r\n", "10.0.0.2", "203.0.113.9, unknown"},
        {"X-Forwarded-For: ,\r\n", "10.0.0.2", ","},
    };
    struct config *config = http_config("upstream = app trusted_proxies = \"10.0.0.0/8\"");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        char text[512], expected[1024];

        snprintf(text, sizeof(text), HEAD "%s\r\n", lists[i][0]);
        snprintf(expected, sizeof(expected),
                 HEAD
                 "X-Forwarded-For: %s, 10.0.0.2\r\nX-Forwarded-Proto: http\r\n"
                 "X-Forwarded-Host: a.b\r\nX-Real-IP: %s\r\nX-Request-ID: id-2\r\n\r\n",
                 lists[i][2], lists[i][1]);
        becomes(config, &by_proxy, text, expected);
    }
    config_unref(config);
}

static void test_forwarded_and_via(void **state) {
    static const struct asked unix_socket = {"", false, false, ""};
    struct config *config = http_config("upstream = app forwarded = true via = true");

    (void)state;
    becomes(config, &plain, HEAD CLAIMS "\r\n",
            HEAD "Via: 1.1 p\r\n" SEEN
                 "Forwarded: for=192.0.2.7;proto=http;host=\"a.b\"\r\nVia: 1.1 relayd\r\n\r\n");
    becomes(config, &by_tls, "GET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 2001:db8::7\r\n"
            "X-Forwarded-Proto: https\r\nX-Real-IP: 2001:db8::7\r\nX-Request-ID: id-1\r\n"
            "Forwarded: for=\"[2001:db8::7]\";proto=https\r\nVia: 1.0 relayd\r\n\r\n");
    becomes(config, &unix_socket, HEAD "\r\n",
            HEAD
            "X-Forwarded-Proto: http\r\nX-Forwarded-Host: a.b\r\n"
            "Forwarded: for=unknown;proto=http;host=\"a.b\"\r\nVia: 1.1 relayd\r\n\r\n");
    config_unref(config);
}

static void test_edits(void **state) {
    struct config *config = http_config(
        "upstream = app set_request = {\"Host: app.internal\", \"X-Forwarded-Proto:https\"} "
        "route \"/r/\" { set_request = {\"X-User:  me \", \"X-Real-IP: 1.2.3.4\"} "
        "add_request = {\"X-Tag: 1\", \"X-Tag: 2\"} remove_request = {\"Cookie\", \"X-Bad-One\"} "
        "}");

    (void)state;
    becomes(config, &plain, HEAD "X-Forwarded-Proto: gopher\r\n\r\n",
            "GET /x HTTP/1.1\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: a.b\r\n"
            "X-Real-IP: 192.0.2.7\r\nHost: app.internal\r\nX-Forwarded-Proto: https\r\n\r\n");
    becomes(config, &plain, "GET /x HTTP/1.0\r\n\r\n",
            "GET /x HTTP/1.1\r\nX-Forwarded-For: 192.0.2.7\r\nX-Real-IP: 192.0.2.7\r\n"
            "Host: app.internal\r\nX-Forwarded-Proto: https\r\n\r\n");
    /* also in other words: to CGI and WSGI, "_" and "-" are the same */
    becomes(config, &plain,
            "GET /r HTTP/1.1\r\nHost: a.b\r\nX_User: a\r\nx-user: b\r\nCOOKIE: c\r\nX-Tag: 0\r\n"
            "X-bad_one: 1\r\nX-Bad-On: 1\r\n\r\n",
            "GET /r HTTP/1.1\r\nHost: a.b\r\nX-Tag: 0\r\nX-Bad-On: 1\r\n"
            "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.b\r\n"
            "X-User: me\r\nX-Real-IP: 1.2.3.4\r\nX-Tag: 1\r\nX-Tag: 2\r\n\r\n");
    config_unref(config);
}

static void strips(const struct config *config, const char *target, const char *expected) {
    char text[256], whole[512];

    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a.b\r\n\r\n", target);
    snprintf(whole, sizeof(whole), "GET %s HTTP/1.1\r\nHost: a.b\r\n" SEEN "\r\n", expected);
    becomes(config, &plain, text, whole);
}

static void test_strip_prefix(void **state) {
    struct config *config = http_config(
        "upstream = app route /v1/ { strip_prefix = true } "
        "route /a/b/ { strip_prefix = true } route /keep/ { }");

    (void)state;
    strips(config, "/v1/x", "/x");
    strips(config, "/v1/x/?y", "/x/?y");
    strips(config, "/v1/", "/");
    strips(config, "/v1", "/");
    strips(config, "/v1?x=/v1/", "/?x=/v1/");
    strips(config, "/%761/%2Cx", "/%2Cx");
    strips(config, "/a/b", "/");
    strips(config, "/a/b/c/d", "/c/d");
    strips(config, "/a/%62/c", "/c");
    strips(config, "/a/x", "/a/x");
    strips(config, "/keep/x", "/keep/x");
    strips(config, "http://a.b/v1/x?y", "/x?y");
    strips(config, "http://a.b/v1", "/");
    config_unref(config);
}

/* Kept lines that are neighbours are one part. */
static void test_few_parts(void **state) {
    struct config *config = http_config("upstream = app");
    struct http_out out;

    (void)state;
    assert_int_equal(rewritten(config, &plain, HEAD "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", &out), 0);
    assert_int_equal(out.n, 2);
    assert_int_equal(rewritten(config, &plain, HEAD "A: 1\r\nTE: x\r\nB: 2\r\n\r\n", &out), 0);
    assert_int_equal(out.n, 3);
    config_unref(config);
}

static void test_what_does_not_fit(void **state) {
    struct config *config = http_config("upstream = app trusted_proxies = \"10.0.0.0/8\"");
    char text[HTTP1_HEAD_MAX];
    struct http_out out;
    size_t n;

    (void)state;
    /* every other one is not passed on: as many parts as there can be */
    n = (size_t)sprintf(text, HEAD);
    for (size_t i = 1; i < HTTP1_FIELDS_MAX; i++)
        n += (size_t)sprintf(text + n, "%s: 1\r\n", i % 2 ? "Keep-Alive" : "A");
    strcpy(text + n, "\r\n");
    assert_int_equal(rewritten(config, &plain, text, &out), 0);
    assert_int_equal(out.n, 1 + 49 + 1);
    n = (size_t)sprintf(text, HEAD "X-Forwarded-For: ");
    memset(text + n, '1', HTTP_OUT_OWN);
    strcpy(text + n + HTTP_OUT_OWN, "\r\n\r\n");
    assert_int_equal(rewritten(config, &by_proxy, text, &out), -E2BIG);
    assert_int_equal(rewritten(config, &plain, text, &out), 0);
    config_unref(config);
}

/* A small generator, so that a failure comes again. */
static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static size_t count_known(const struct http1_head *head, enum http1_name name) {
    size_t n = 0;

    for (size_t i = 0; i < head->n_fields; i++)
        n += head->fields[i].known == name;
    return n;
}

static void is_one_request(const char *before, const struct http1_head *old, const char *text) {
    struct http1_head head = request_of(text);

    if (head.length != strlen(text) || head.framing != old->framing || head.v1_0 || head.absolute ||
        head.content_length != old->content_length || head.method != old->method ||
        count_known(&head, HTTP1_HOST) != 1 || count_known(&head, HTTP1_TE) > 0 ||
        count_known(&head, HTTP1_KEEP_ALIVE) > 0 || count_known(&head, HTTP1_X_REAL_IP) != 1 ||
        (!head.upgrades && count_known(&head, HTTP1_CONNECTION) > 0) ||
        (head.path.n > 0 && text[head.path.at] != '/' && text[head.path.at] != '*'))
        fail_msg("%s\nbecomes\n%s", before, text);
}

/* Whatever the parser lets through goes on as one request with the same method and body. */
static void test_what_goes_on_is_read_as_the_same(void **state) {
    static const char *const seeds[] = {
        HEAD CLAIMS "Connection: keep-alive, X-A\r\nX-A: 1\r\nContent-Length: 12\r\n\r\n",
        "POST http://a.b/v1/x?y HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: chunked\r\nTE: x\r\n"
        "Keep-Alive: 1\r\nCookie: c\r\n\r\n",
        "GET /v1 HTTP/1.0\r\nX-User: u\r\nA: b\r\nConnection: keep-alive\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a.b\r\nX_User: 1\r\nUpgrade: websocket\r\n"
        "Connection: upgrade\r\n\r\n",
    };
    static const char bytes[] = "\r\n \t:;,-_/.%*ax1Hh\"\\?#@[]\x80";
    struct config *config = http_config(
        "upstream = app set_request = \"X-User: me\" route /v1/ { strip_prefix = true "
        "remove_request = Cookie }");
    const size_t rounds = SANITIZED ? 20000 : 200000;
    size_t whole = 0;
    uint32_t random = 1;

    (void)state;
    for (size_t i = 0; i < rounds; i++) {
        char text[1024];
        struct http1_head head;
        struct http1_fault fault;
        struct http_out out;
        const struct route_config *route = NULL;
        struct addr client = client_at(plain.client);

        strcpy(text, seeds[i % ARRAY_LEN(seeds)]);
        for (uint32_t k = next_random(&random) % 3 + 1; k > 0; k--)
            text[next_random(&random) % strlen(text)] =
                bytes[next_random(&random) % (sizeof(bytes) - 1)];
        if (http1_parse_request(text, strlen(text), &head, &fault) != HTTP1_WHOLE ||
            http_match(&config->listeners[0], text, &head, &route) == HTTP_MATCH_PATH)
            continue;
        whole++;
        const struct http_facts facts = {.listener = &config->listeners[0],
                                         .route = route,
                                         .client = &client,
                                         .trusted = i % 2 == 0,
                                         .request_id = ""};
        assert_int_equal(http_rewrite_request(text, &head, &facts, &out), 0);
        char *got = text_of_out(&out);
        is_one_request(text, &head, got);
        free(got);
    }
    assert_true(whole > rounds / 20);
    config_unref(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_passed_and_added),
        cmocka_unit_test(test_forms_of_the_request_line),
        cmocka_unit_test(test_framing_is_written_anew),
        cmocka_unit_test(test_upgrades),
        cmocka_unit_test(test_claims_of_clients),
        cmocka_unit_test(test_who_asks_behind_proxies),
        cmocka_unit_test(test_forwarded_and_via),
        cmocka_unit_test(test_edits),
        cmocka_unit_test(test_strip_prefix),
        cmocka_unit_test(test_few_parts),
        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_what_goes_on_is_read_as_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
