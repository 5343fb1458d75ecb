/* record/access_line: what a line looks like, and that no byte of a client changes that. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/access_line.h"

#define MOMENT ((int64_t)1796127778 * USEC_PER_SEC + 598219) /* 2026-12-01 12:22:58 UTC */

/* The texts of a request, one behind the other. */
static void fill_texts(struct request_record *r, const char *host, const char *path,
                       const char *agent, const char *referer, const char *route, const char *why) {
    r->n_host = (uint16_t)strlen(host);
    r->n_path = (uint16_t)strlen(path);
    r->n_agent = (uint16_t)strlen(agent);
    r->n_referer = (uint16_t)strlen(referer);
    r->n_route = (uint16_t)strlen(route);
    r->n_why = (uint16_t)strlen(why);
    memcpy(r->texts, host, r->n_host + 1U);
    memcpy(r->texts + (request_record_path(r) - r->texts), path, r->n_path + 1U);
    memcpy(r->texts + (request_record_agent(r) - r->texts), agent, r->n_agent + 1U);
    memcpy(r->texts + (request_record_referer(r) - r->texts), referer, r->n_referer + 1U);
    memcpy(r->texts + (request_record_route(r) - r->texts), route, r->n_route + 1U);
    memcpy(r->texts + (request_record_why(r) - r->texts), why, r->n_why + 1U);
}

static void fill_record(struct request_record *r) {
    const char *why;

    *r = (struct request_record){.begun = 1000,
                                 .headed = 1010,
                                 .answered = 1500,
                                 .whole = 2000,
                                 .conn = 7,
                                 .id = "name",
                                 .method = "GET",
                                 .listener = "web",
                                 .status = 200,
                                 .bytes = {3, 5120}};
    assert_true(addr_parse_ip("192.0.2.7", &r->client, &why));
    r->queue = 5;
    r->dial = 20;
    fill_texts(r, "a.test", "/a?b", "agent", "http://r.test/", "", "");
}

/* The caller's buffer is that long. */
static const char *write_line(enum access_format format, const struct request_record *r,
                              char *buf) {
    struct access_clock clock = {0};

    buf[access_line_write(format, r, MOMENT, &clock, buf)] = '\0';
    return buf;
}

static void both_formats(void **state) {
    static char buf[ACCESS_LINE_MAX + 1];
    struct request_record r;

    (void)state;
    setenv("TZ", "CET-1", 1);
    tzset();
    fill_record(&r);
    assert_string_equal(write_line(ACCESS_COMBINED, &r, buf),
                        "192.0.2.7 - - [01/Dec/2026:13:22:58 +0100] \"GET /a?b HTTP/1.1\" 200 5120 "
                        "\"http://r.test/\" \"agent\"\n");
    assert_string_equal(
        write_line(ACCESS_JSON, &r, buf),
        "{\"time\":\"2026-12-01T12:22:58.598219Z\",\"request\":\"name\",\"conn\":7,"
        "\"listener\":\"web\",\"client\":\"192.0.2.7:0\",\"client_address\":\"192.0.2.7\","
        "\"client_port\":0,\"method\":\"GET\",\"host\":\"a.test\",\"path\":\"/a?b\","
        "\"status\":200,\"bytes_up\":3,\"bytes_down\":5120,\"head_usec\":10,"
        "\"queue_usec\":5,\"dial_usec\":20,\"first_byte_usec\":490,\"duration_usec\":1000,\"user_"
        "agent\":\"agent\","
        "\"referer\":\"http://r.test/\"}\n");
    r.v1_0 = true;
    r.status = 0;
    r.bytes[1] = 0;
    r.page = 12;
    fill_texts(&r, "a.test", "", "", "", "", "");
    assert_string_equal(write_line(ACCESS_COMBINED, &r, buf),
                        "192.0.2.7 - - [01/Dec/2026:13:22:58 +0100] \"GET / HTTP/1.0\" - 12 \"-\" "
                        "\"-\"\n");
    fill_texts(&r, "", "", "", "", "", ""); /* nothing but the method was understood */
    r.headed = 0;
    assert_non_null(strstr(write_line(ACCESS_COMBINED, &r, buf), "] \"-\" - 12 \"-\" \"-\"\n"));
    r.method[0] = '\0';
    assert_non_null(strstr(write_line(ACCESS_COMBINED, &r, buf), "] \"-\" - 12 \"-\" \"-\"\n"));
}

/* A second that is another one, and a format that is, have their own text. */
static void the_clock_goes_on(void **state) {
    static char buf[ACCESS_LINE_MAX + 1];
    struct access_clock clock = {0};
    struct request_record r;

    (void)state;
    fill_record(&r);
    for (int64_t i = 0; i < 3; i++) {
        char wanted[32];

        for (int format = ACCESS_COMBINED; format <= ACCESS_JSON; format++) {
            size_t n = access_line_write((enum access_format)format, &r,
                                         MOMENT + i % 2 * USEC_PER_SEC, &clock, buf);
            buf[n] = '\0';
            snprintf(wanted, sizeof(wanted), "22:%d", 58 + (int)(i % 2));
            assert_non_null(strstr(buf, wanted));
        }
    }
}

/* Printable, one line, quotation marks only where they are ours, whatever the byte, wherever. */
static void no_byte_forges_a_line(void **state) {
    static char buf[ACCESS_LINE_MAX + 1];
    struct request_record r;

    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        char text[] = {'a', (char)byte, 'z', '\0'};

        fill_record(&r);
        memcpy(r.method, text, sizeof(text));
        memcpy(r.id, text, sizeof(text));
        fill_texts(&r, text, text, text, text, text, text);
        size_t n = strlen(write_line(ACCESS_COMBINED, &r, buf));
        unsigned quotes = 0;
        for (size_t i = 0; i < n; i++) {
            assert_true((buf[i] >= ' ' && buf[i] <= '~') || i == n - 1);
            quotes += buf[i] == '"';
        }
        assert_int_equal(quotes, 6);
        n = strlen(write_line(ACCESS_JSON, &r, buf));
        for (size_t i = 0; i + 1 < n; i++)
            assert_true(buf[i] >= ' ' && buf[i] != 0x7f);
        assert_string_equal(buf + n - 2, "}\n");
        assert_null(strstr(buf, "a\"z"));
    }
}

/* All that a request can have, of bytes that take the most room. */
static void the_longest_fits(void **state) {
    static char buf[ACCESS_LINE_MAX + 1], many[REQUEST_PATH_MOST + 1];
    static const char bytes[] = "\xff\\\"a\x01";
    static struct request_record r;

    (void)state;
    for (size_t k = 0; k < strlen(bytes); k++) {
        fill_record(&r);
        memset(many, bytes[k], REQUEST_PATH_MOST);
        memcpy(r.method, many, REQUEST_METHOD_SIZE - 1);
        memcpy(r.id, many, REQUEST_ID_SIZE - 1);
        memcpy(r.listener, many, CONFIG_NAME_MAX - 1);
        memcpy(r.upstream, many, CONFIG_NAME_MAX - 1);
        memcpy(r.server, many, CONFIG_NAME_MAX - 1);
        r.bytes[0] = r.bytes[1] = UINT64_MAX;
        r.n_host = REQUEST_HOST_MOST;
        r.n_path = REQUEST_PATH_MOST;
        r.n_agent = REQUEST_AGENT_MOST;
        r.n_referer = REQUEST_REFERER_MOST;
        memset(r.texts, bytes[k], sizeof(r.texts));
        r.texts[r.n_host] = '\0';
        r.texts[request_record_agent(&r) - 1 - r.texts] = '\0';
        r.texts[request_record_referer(&r) - 1 - r.texts] = '\0';
        r.texts[request_record_route(&r) - 1 - r.texts] = '\0';
        r.n_route =
            (uint16_t)(r.texts + sizeof(r.texts) - request_record_route(&r) - REQUEST_WHY_MOST - 2);
        r.texts[request_record_why(&r) - 1 - r.texts] = '\0';
        r.n_why = REQUEST_WHY_MOST;
        r.texts[sizeof(r.texts) - 1] = '\0';
        assert_int_equal(strlen(request_record_why(&r)), REQUEST_WHY_MOST);
        for (int format = ACCESS_COMBINED; format <= ACCESS_JSON; format++) {
            size_t n = strlen(write_line((enum access_format)format, &r, buf));

            assert_in_range(n, REQUEST_PATH_MOST, ACCESS_LINE_MAX);
            assert_int_equal(buf[n - 1], '\n');
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_formats),
        cmocka_unit_test(the_clock_goes_on),
        cmocka_unit_test(no_byte_forges_a_line),
        cmocka_unit_test(the_longest_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
