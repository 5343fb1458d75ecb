/* http/rewrite: answers as clients get them. */
#include "http_texts.h"

struct told {
    enum http1_method method;
    bool tls, v1_0, close, chunks;
};

static const struct told get = {.method = HTTP1_GET};
static const struct told get_tls = {.method = HTTP1_GET, .tls = true};
static const struct told get_1_0 = {.method = HTTP1_GET, .v1_0 = true};
static const struct told get_1_0_close = {.method = HTTP1_GET, .v1_0 = true, .close = true};
static const struct told get_close = {.method = HTTP1_GET, .close = true};
static const struct told get_chunks = {.method = HTTP1_GET, .chunks = true};
static const struct told head_told = {.method = HTTP1_HEAD};

static void answers(const struct config *config, const struct told *told, const char *text,
                    const char *expected) {
    struct http1_head head = answer_of(text, told->method);
    const struct http_facts facts = {
        .listener = &config->listeners[0], .tls = told->tls, .v1_0 = told->v1_0};
    struct http_out out;

    assert_int_equal(http_rewrite_answer(text, &head, &facts, told->close, told->chunks, &out), 0);
    char *got = text_of_out(&out);
    assert_string_equal(got, expected);
    free(got);
}

#define OK "HTTP/1.1 200 OK\r\n"

static void test_fields_and_framing(void **state) {
    struct config *config = http_config("upstream = app");

    (void)state;
    answers(config, &get,
            OK
            "Server: s\r\nConnection: keep-alive\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
            "Keep-Alive: timeout=5\r\nContent-Length: 012\r\nUpgrade: h2c\r\n\r\n",
            OK "Server: s\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 12\r\n\r\n");
    answers(config, &get, "HTTP/1.0 404\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n");
    answers(config, &get, OK "Transfer-Encoding: chunked\r\nTrailer: x\r\nA: b\r\n\r\n",
            OK "A: b\r\nTransfer-Encoding: chunked\r\n\r\n");
    answers(config, &get_1_0_close, OK "Transfer-Encoding: chunked\r\nA: b\r\n\r\n",
            OK "A: b\r\nConnection: close\r\n\r\n");
    answers(config, &get_chunks, OK "A: b\r\n\r\n",
            OK "A: b\r\nTransfer-Encoding: chunked\r\n\r\n");
    answers(config, &get_close, OK "A: b\r\n\r\n", OK "A: b\r\nConnection: close\r\n\r\n");
    answers(config, &get_1_0, OK "Content-Length: 3\r\n\r\n",
            OK "Content-Length: 3\r\nConnection: keep-alive\r\n\r\n");
    config_unref(config);
}

static void test_without_a_body(void **state) {
    struct config *config = http_config("upstream = app via = true add_response = \"A: b\"");

    (void)state;
    answers(config, &head_told, OK "Content-Length: 12\r\n\r\n",
            OK "Content-Length: 12\r\nVia: 1.1 relayd\r\nA: b\r\n\r\n");
    answers(config, &head_told, OK "Transfer-Encoding: chunked\r\n\r\n",
            OK "Via: 1.1 relayd\r\nA: b\r\n\r\n");
    answers(config, &get, "HTTP/1.0 304 Not Modified\r\nContent-Length: 12\r\nETag: x\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\nETag: x\r\nVia: 1.0 relayd\r\n"
            "A: b\r\n\r\n");
    answers(config, &get, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nVia: 1.1 relayd\r\nA: b\r\n\r\n");
    answers(config, &get_close, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    answers(config, &get_close, "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n");
    config_unref(config);
}

static void test_switch(void **state) {
    struct config *config = http_config("upstream = app");

    (void)state;
    answers(config, &get,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: x\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n"
            "Connection: upgrade\r\nUpgrade: WebSocket\r\n\r\n");
    config_unref(config);
}

static void test_answer_edits_and_hsts(void **state) {
    struct config *config = http_config(
        "upstream = app hsts = 1h set_response = {\"Server: relayd\"} "
        "add_response = {\"Set-Cookie: b\"} remove_response = {\"X-Powered-By\"}");

    (void)state;
    answers(config, &get_tls,
            OK
            "Server: s\r\nstrict-transport-security: max-age=1\r\nSet-Cookie: a\r\n"
            "X-Powered-By: php\r\nContent-Length: 0\r\n\r\n",
            OK
            "Set-Cookie: a\r\nStrict-Transport-Security: max-age=3600\r\nServer: relayd\r\n"
            "Set-Cookie: b\r\nContent-Length: 0\r\n\r\n");
    answers(config, &get, OK "Server: s\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n",
            OK
            "Location: http://x/\r\nServer: relayd\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n");
    config_unref(config);
    config = http_config(
        "upstream = app hsts = 1h "
        "set_response = \"Strict-Transport-Security: max-age=9; preload\"");
    answers(config, &get_tls,
            OK "Strict-Transport-Security: max-age=1\r\nContent-Length: 0\r\n\r\n",
            OK "Strict-Transport-Security: max-age=9; preload\r\nContent-Length: 0\r\n\r\n");
    config_unref(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_and_framing),
        cmocka_unit_test(test_without_a_body),
        cmocka_unit_test(test_switch),
        cmocka_unit_test(test_answer_edits_and_hsts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
