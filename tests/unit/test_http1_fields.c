/* wire/http1: fields of a request; what they say of its body and of its connection. */
#include "http1_split.h"

#define GET     "GET / HTTP/1.1\r\nHost: a\r\n"
#define GET_10  "GET / HTTP/1.0\r\n"
#define POST    "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

/* A whole head. */
static void see_request(struct http1_seen *ret, const char *head) {
    http1_see_split(ret, head, strlen(head), -1);
    if (ret->outcome != HTTP1_WHOLE)
        fail_msg("outcome %d, %s: %s", ret->outcome,
                 ret->outcome == HTTP1_BAD ? ret->fault.why : "more", head);
    assert_int_equal(ret->at, strlen(head));
}

static void field_lines_and_their_parts(void **state) {
    static const char head[] = GET
        "A:b\r\n!#$%&'*+-.^_`|~09azAZ: \t c d\t\xff \t \r\nE:\r\nF: \t\r\n"
        "G: :,;=\"\\()<>@[]{}?/\r\n\r\n";
    static const char *const parts[][2] = {
        {"Host", "a"}, {"A", "b"}, {"!#$%&'*+-.^_`|~09azAZ", "c d\t\xff"},
        {"E", ""},     {"F", ""},  {"G", ":,;=\"\\()<>@[]{}?/"},
    };
    struct http1_seen seen;

    (void)state;
    see_request(&seen, head);
    assert_int_equal(seen.head.n_fields, ARRAY_LEN(parts));
    for (size_t i = 0, at = 16; i < ARRAY_LEN(parts); i++) {
        const struct http1_field *field = &seen.head.fields[i];

        http1_assert_span(head, field->name, parts[i][0]);
        http1_assert_span(head, field->value, parts[i][1]);
        assert_int_equal(field->line.at, at);
        at += field->line.n;
        assert_memory_equal(head + at - 2, "\r\n", 2);
        assert_int_equal(field->known, i == 0 ? HTTP1_HOST : HTTP1_OTHER);
        assert_false(field->hop);
    }
}

/* Refused at the last byte. */
static void field_lines_that_are_refused(void **state) {
    static const struct {
        const char *line, *why;
    } cases[] = {
        {":", "no name"},
        {" ", "folding"},
        {"\t", "folding"},
        {"A: b\r\n ", "folding"},
        {"A: b\r\n\t", "folding"},
        {"A:\r\n ", "folding"},
        {"A ", "blank before the colon"},
        {"A\t", "blank before the colon"},
        {"A\r", "no colon"},
        {"A\n", "no colon"},
        {"A(", "no name has"},
        {"A\"", "no name has"},
        {"A/", "no name has"},
        {"A;", "no name has"},
        {"A=", "no name has"},
        {"A@", "no name has"},
        {"A[", "no name has"},
        {"A\x80", "no name has"},
        {"A\x01", "no name has"},
        {"A\x7f", "no name has"},
        {"{", "no name has"},
        {"\n", "bare LF"},
        {"\r\r", "bare CR"},
        {"\rA", "bare CR"},
        {"A: b\n", "bare LF"},
        {"A:\n", "bare LF"},
        {"A: 01234567890123456789\n", "bare LF"},
        {"A: b\r\r", "bare CR"},
        {"A: b\rc", "bare CR"},
        {"A: b\r ", "bare CR"},
        {"A: \x01", "control"},
        {"A: \x1f", "control"},
        {"A: \x7f", "control"},
        {"A: 01234567890123456789\x0b", "control"},
        {"A: 01234567\t0123456789\x0c", "control"},
        {"A: 0123456\xff\xff\x80\xa0\x7f", "control"},
    };
    static const char *const nuls[] = {"A: 0123456789", "A", "A:", ""};
    char text[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http1_seen seen;
        int n = snprintf(text, sizeof(text), "%s%s", GET, cases[i].line);

        http1_assert_refused(text, (size_t)n, -1, 400, cases[i].why);
        if (http1_see(&seen, text, (size_t)n - 1, -1) != HTTP1_MORE)
            fail_msg("refused earlier: %s", text);
    }
    for (size_t i = 0; i < ARRAY_LEN(nuls); i++) {
        int n = snprintf(text, sizeof(text), "%s%s", GET, nuls[i]);
        http1_assert_refused(text, (size_t)n + 1, -1, 400, "");
    }
}

/* Each control at each place of a value, as it is looked through in words of 8 bytes. */
static void controls_at_each_place(void **state) {
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        for (size_t place = 0; place < 20; place++) {
            struct http1_seen seen;
            char text[80];
            int n = snprintf(text, sizeof(text), GET "A: %020d\r\n\r\n", 0);
            bool is_control = (byte < ' ' && byte != '\t') || byte == 0x7f;

            text[strlen(GET) + 3 + place] = (char)byte;
            if (http1_see(&seen, text, (size_t)n, -1) != (is_control ? HTTP1_BAD : HTTP1_WHOLE))
                fail_msg("byte %d at %zu gives %d", byte, place, seen.outcome);
        }
}

static void known_names(void **state) {
    static const struct {
        enum http1_name known;
        const char *name, *value;
        bool hop;
    } cases[] = {
        {HTTP1_CONNECTION, "Connection", "x", true},
        {HTTP1_CONTENT_LENGTH, "Content-Length", "0", false},
        {HTTP1_TRANSFER_ENCODING, "Transfer-Encoding", "chunked", true},
        {HTTP1_EXPECT, "Expect", "100-continue", false},
        {HTTP1_UPGRADE, "Upgrade", "x", true},
        {HTTP1_KEEP_ALIVE, "Keep-Alive", "x", true},
        {HTTP1_PROXY_CONNECTION, "Proxy-Connection", "x", true},
        {HTTP1_TE, "TE", "x", true},
        {HTTP1_TRAILER, "Trailer", "x", true},
        {HTTP1_HTTP2_SETTINGS, "HTTP2-Settings", "x", true},
        {HTTP1_COOKIE, "Cookie", "x", false},
        {HTTP1_SET_COOKIE, "Set-Cookie", "x", false},
        {HTTP1_AUTHORIZATION, "Authorization", "x", false},
        {HTTP1_USER_AGENT, "User-Agent", "x", false},
        {HTTP1_REFERER, "Referer", "x", false},
        {HTTP1_LOCATION, "Location", "x", false},
        {HTTP1_FORWARDED, "Forwarded", "x", false},
        {HTTP1_VIA, "Via", "x", false},
        {HTTP1_X_FORWARDED_FOR, "X-Forwarded-For", "x", false},
        {HTTP1_X_FORWARDED_PROTO, "X-Forwarded-Proto", "x", false},
        {HTTP1_X_FORWARDED_HOST, "X-Forwarded-Host", "x", false},
        {HTTP1_X_REAL_IP, "X-Real-IP", "x", false},
        {HTTP1_X_REQUEST_ID, "X-Request-ID", "x", false},
    };
    struct http1_seen seen;

    (void)state;
    assert_int_equal(ARRAY_LEN(cases), HTTP1_NAME_COUNT - 2); /* and Host */
    for (size_t i = 0; i < 4 * ARRAY_LEN(cases); i++) {
        const char *name = cases[i / 4].name, *value = cases[i / 4].value;
        char own[64], text[160], *dash;

        /* as it is, in capitals, one letter longer, and with "_" for "-" */
        snprintf(own, sizeof(own), "%s%s", name, i % 4 == 2 ? "s" : "");
        for (char *c = own; i % 4 == 1 && *c != '\0'; c++)
            *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
        dash = strchr(own, '-');
        if (i % 4 == 3 && dash == NULL)
            continue;
        if (i % 4 == 3)
            *dash = '_';
        snprintf(text, sizeof(text), POST "%s: %s\r\n\r\n", own, value);
        see_request(&seen, text);
        const struct http1_field *field = &seen.head.fields[1];
        bool is_known = i % 4 < 2;
        assert_int_equal(field->known, is_known ? cases[i / 4].known : HTTP1_OTHER);
        assert_int_equal(field->hop, i % 4 == 3 || (is_known && cases[i / 4].hop));
        assert_ptr_equal(http1_find(&seen.head, cases[i / 4].known), is_known ? field : NULL);
    }
    assert_ptr_equal(http1_find(&seen.head, HTTP1_HOST), &seen.head.fields[0]);
}

/* What differs by "_" counts for nothing. */
static void underscores_say_nothing(void **state) {
    struct http1_seen seen;

    (void)state;
    see_request(&seen, POST "Content_Length: 5\r\nTransfer_Encoding: chunked\r\n\r\n");
    assert_int_equal(seen.head.framing, HTTP1_NO_BODY);
    assert_true(seen.head.fields[1].hop && seen.head.fields[2].hop);
    see_request(&seen, GET
                "X_Forwarded-For: a\r\nX-Forwarded_For: a\r\nX_Real_IP: b\r\n"
                "X_Other: c\r\n\r\n");
    assert_true(seen.head.fields[1].hop && seen.head.fields[2].hop && seen.head.fields[3].hop);
    assert_false(seen.head.fields[4].hop);
}

static void bodies_of_requests(void **state) {
    static const struct {
        const char *head;
        enum http1_framing framing;
        uint64_t n;
    } cases[] = {
        {POST "\r\n", HTTP1_NO_BODY, 0},
        {POST "Content-Length: 0\r\n\r\n", HTTP1_LENGTH, 0},
        {POST "Content-Length: 0000000000000000012\r\n\r\n", HTTP1_LENGTH, 12},
        {POST "Content-Length: 9223372036854775807\r\n\r\n", HTTP1_LENGTH, INT64_MAX},
        {GET "content-LENGTH:\t7 \r\n\r\n", HTTP1_LENGTH, 7},
        {GET CHUNKED "\r\n", HTTP1_CHUNKED, 0},
        {POST "transfer-ENCODING:cHUNKED\t\r\n\r\n", HTTP1_CHUNKED, 0},
        {GET_10 "Content-Length: 0\r\n\r\n", HTTP1_LENGTH, 0},
        {"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n", HTTP1_LENGTH, 3},
        {"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", HTTP1_LENGTH, 0},
        {"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", HTTP1_LENGTH, 3},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http1_seen seen;

        see_request(&seen, cases[i].head);
        assert_int_equal(seen.head.framing, cases[i].framing);
        assert_true(seen.head.content_length == cases[i].n);
    }
}

static void bodies_that_are_refused(void **state) {
    static const struct {
        const char *head;
        uint16_t status;
        const char *why;
    } cases[] = {
        {POST "Content-Length:\r\n", 400, "1 to 19 digits"},
        {POST "Content-Length: 00000000000000000000\r\n", 400, "1 to 19 digits"},
        {POST "Content-Length: 9223372036854775808\r\n", 400, "2^63"},
        {POST "Content-Length: 9999999999999999999\r\n", 400, "2^63"},
        {POST "Content-Length: 18446744073709551617\r\n", 400, "1 to 19 digits"},
        {POST "Content-Length: +1\r\n", 400, "no number"},
        {POST "Content-Length: -1\r\n", 400, "no number"},
        {POST "Content-Length: 1 1\r\n", 400, "no number"},
        {POST "Content-Length: 1,1\r\n", 400, "no number"},
        {POST "Content-Length: 0x1\r\n", 400, "no number"},
        {POST "Content-Length: 1e1\r\n", 400, "no number"},
        {POST "Content-Length: 1.0\r\n", 400, "no number"},
        {POST "Content-Length: \"1\"\r\n", 400, "no number"},
        {POST "Content-Length: \xd9\xa1\r\n", 400, "no number"},
        {POST "Content-Length: 1\r\nContent-Length: 1\r\n", 400, "more than one"},
        {POST "Content-Length: 0\r\nA: b\r\ncontent-length: 0\r\n", 400, "more than one"},
        {POST "Content-Length: 1\r\n" CHUNKED, 400, "both"},
        {POST CHUNKED "Content-Length: 0\r\n", 400, "both"},
        {POST CHUNKED CHUNKED, 400, "more than one"},
        {POST "Transfer-Encoding:\r\n", 501, "else than"},
        {POST "Transfer-Encoding: identity\r\n", 501, "else than"},
        {POST "Transfer-Encoding: gzip\r\n", 501, "else than"},
        {POST "Transfer-Encoding: gzip, chunked\r\n", 501, "else than"},
        {POST "Transfer-Encoding: chunked, chunked\r\n", 501, "else than"},
        {POST "Transfer-Encoding: chunked,\r\n", 501, "else than"},
        {POST "Transfer-Encoding: ,chunked\r\n", 501, "else than"},
        {POST "Transfer-Encoding: chunked;q=1\r\n", 501, "else than"},
        {POST "Transfer-Encoding: \"chunked\"\r\n", 501, "else than"},
        {POST "Transfer-Encoding: xchunked\r\n", 501, "else than"},
        {POST "Transfer-Encoding: chunke\r\n", 501, "else than"},
        {POST "Transfer-Encoding: \x0b"
              "chunked\r\n",
         400, "control"},
        {"POST / HTTP/1.0\r\n" CHUNKED, 400, "HTTP/1.0"},
        {"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n", 400, "TRACE"},
        {"TRACE / HTTP/1.1\r\nHost: a\r\n" CHUNKED, 400, "TRACE"},
        {GET_10 "Content-Length: 1\r\n", 400, "no GET"},
        {"HEAD / HTTP/1.0\r\nContent-Length: 1\r\n", 400, "no GET"},
        {"DELETE / HTTP/1.0\r\nContent-Length: 1\r\n", 400, "no GET"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        http1_assert_refused(cases[i].head, strlen(cases[i].head), -1, cases[i].status,
                             cases[i].why);
}

static void how_a_connection_goes_on(void **state) {
    static const struct {
        const char *head;
        bool close, upgrades, expects;
    } cases[] = {
        {GET "\r\n", false, false, false},
        {GET "Connection: keep-alive\r\n\r\n", false, false, false},
        {GET "Connection: close\r\n\r\n", true, false, false},
        {GET "Connection: keep-alive , CLOSE\r\n\r\n", true, false, false},
        {GET "Connection: close\r\nConnection: keep-alive\r\n\r\n", true, false, false},
        {GET "Connection: closed\r\n\r\n", false, false, false},
        {GET "Connection:\r\nConnection: ,, ,\r\n\r\n", false, false, false},
        {GET_10 "\r\n", true, false, false},
        {GET_10 "Connection: Keep-Alive\r\n\r\n", false, false, false},
        {GET_10 "Proxy-Connection: keep-alive\r\n\r\n", true, false, false},
        {GET_10 "Connection: keep-alive, close\r\n\r\n", true, false, false},
        {GET "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n", false, true, false},
        {GET "Connection: keep-alive, upgrade\r\nUpgrade: a, b\r\n\r\n", false, true, false},
        {GET "Upgrade: websocket\r\n\r\n", false, false, false},
        {GET "Connection: Upgrade\r\n\r\n", false, false, false},
        {GET "Upgrade: a\r\nUpgrade: b\r\nConnection: Upgrade\r\n\r\n", false, false, false},
        {POST "Upgrade: a\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n", false, true, false},
        {POST "Upgrade: a\r\nConnection: Upgrade\r\nContent-Length: 1\r\n\r\n", false, false,
         false},
        {POST CHUNKED "Upgrade: a\r\nConnection: Upgrade\r\n\r\n", false, false, false},
        {GET_10 "Upgrade: a\r\nConnection: Upgrade\r\n\r\n", true, false, false},
        {POST "Expect: 100-CONTINUE\r\nContent-Length: 1\r\n\r\n", false, false, true},
        {POST CHUNKED "Expect: 100-continue\r\n\r\n", false, false, true},
        {POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", false, false, false},
        {GET "Expect: 100-continue\r\n\r\n", false, false, false},
        {"PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", true, false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http1_seen seen;

        see_request(&seen, cases[i].head);
        if (seen.head.close != cases[i].close || seen.head.upgrades != cases[i].upgrades ||
            seen.head.expects_continue != cases[i].expects)
            fail_msg("close %d, upgrades %d, expects %d: %s", seen.head.close, seen.head.upgrades,
                     seen.head.expects_continue, cases[i].head);
    }
}

static void expectations_that_nobody_meets(void **state) {
    static const char *const values[] = {"", "x", "100-continue, x", "100-continue;q=1",
                                         "100-continue\r\nExpect: 100-continue"};
    char text[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        int n = snprintf(text, sizeof(text), POST "Expect: %s\r\n", values[i]);
        http1_assert_refused(text, (size_t)n, -1, 417, "100-continue");
    }
}

static void fields_that_connection_names(void **state) {
    static const char head[] = GET
        "a: 1\r\nX-Secret: 2\r\nConnection: close,x-secret , , user-agent\r\n"
        "User-Agent: b\r\nX-Secret: 3\r\nX-Secrets: 4\r\nTE: trailers\r\n"
        "Connection: TE, Expect,A, connection, absent\r\n\r\n";
    static const bool hops[] = {false, true, true, true, true, true, false, true, true};
    struct http1_seen seen;

    (void)state;
    see_request(&seen, head);
    assert_int_equal(seen.head.n_fields, ARRAY_LEN(hops));
    for (size_t i = 0; i < ARRAY_LEN(hops); i++)
        assert_int_equal(seen.head.fields[i].hop, hops[i]);
    assert_true(seen.head.close);
}

static void fields_that_connection_must_not_name(void **state) {
    static const char *const names[] = {
        "Host",
        "content-length",
        "TRANSFER-ENCODING",
        "Cookie",
        "Set-Cookie",
        "Authorization",
        "Forwarded",
        "Via",
        "X-Forwarded-For",
        "x-forwarded-proto",
        "X-Forwarded-Host",
        "X-Forwarded-Anything",
        "X-Forwarded-",
        "X-Real-IP",
        "X-Request-ID",
    };
    static const char *const no_tokens[] = {"a b",  "\"a\"", "a;b", "close=1",
                                            "a\tb", "\xff",  "a/b"};
    char text[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int n = snprintf(text, sizeof(text), GET "Connection: close, %s\r\n", names[i]);
        http1_assert_refused(text, (size_t)n, -1, 400, "names a field");
    }
    for (size_t i = 0; i < ARRAY_LEN(no_tokens); i++) {
        int n = snprintf(text, sizeof(text), GET "Connection: close, %s\r\n", no_tokens[i]);
        http1_assert_refused(text, (size_t)n, -1, 400, "no token");
    }
    /* 15, 16 and 17 members */
    for (size_t commas = 14; commas <= 16; commas++) {
        struct http1_seen seen;
        char list[40] = {0};

        memset(list, ',', commas);
        int n = snprintf(text, sizeof(text), GET "Connection: %s\r\n\r\n", list);
        assert_int_equal(http1_see(&seen, text, (size_t)n, -1),
                         commas < 16 ? HTTP1_WHOLE : HTTP1_BAD);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(field_lines_and_their_parts),
        cmocka_unit_test(field_lines_that_are_refused),
        cmocka_unit_test(controls_at_each_place),
        cmocka_unit_test(known_names),
        cmocka_unit_test(underscores_say_nothing),
        cmocka_unit_test(bodies_of_requests),
        cmocka_unit_test(bodies_that_are_refused),
        cmocka_unit_test(how_a_connection_goes_on),
        cmocka_unit_test(expectations_that_nobody_meets),
        cmocka_unit_test(fields_that_connection_names),
        cmocka_unit_test(fields_that_connection_must_not_name),
    };

    return cmocka_run_group_tests_name("http1_fields", tests, NULL, NULL);
}
