/* http/cookie: a token as it comes, is taken off and is set. */
#include "http_texts.h"

#include "http/cookie.h"

#define TOKEN "ABEiM0RVZneImaq7zN3u_w" /* 00112233445566778899aabbccddeeff */

static const struct cookie_token token = {0x0011223344556677, 0x8899aabbccddeeff};

static struct cookie_token found_in(const char *fields) {
    char text[4096];

    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    struct http1_head head = request_of(text);
    return cookie_find(text, &head, "relayd");
}

static void what_is_found(void **state) {
    static const char *const good[] = {
        "Cookie: relayd=" TOKEN "\r\n",
        "cookie:relayd=" TOKEN " \r\n",
        "Cookie: a=1; relayd=" TOKEN "\r\n",
        "Cookie: relayd=" TOKEN ";a=1\r\n",
        "Cookie: relayd=" TOKEN "; relayd=" TOKEN "\r\n",
        "Cookie: a=\"relayd\"; ; b; relayd=" TOKEN "; Relayd=1; relayd2=2\r\n",
        "Cookie: a=1\r\nCookie: b=2; relayd=" TOKEN "\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!cookie_token_equal(found_in(good[i]), token))
            fail_msg("%s", good[i]);
}

static void what_is_not(void **state) {
    static const char *const bad[] = {
        "",
        "Cookie: \r\n",
        "Cookie: relayd\r\n",
        "Cookie: relayd=\r\n",
        "Cookie: relayd=A" TOKEN "\r\n",
        "Cookie: relayd=BEiM0RVZneImaq7zN3u_w\r\n",
        "Cookie: relayd=ABEiM0RVZneImaq7zN3u_x\r\n", /* bits to spare */
        "Cookie: relayd=ABEiM0RVZneImaq7zN3u/w\r\n",
        "Cookie: relayd=\"" TOKEN "\"\r\n",
        "Cookie: relayd =" TOKEN "\r\n",
        "Cookie: relayd= " TOKEN "\r\n",
        "Cookie: a=1;relayd=" TOKEN "\r\n",
        "Cookie: a=1;  relayd=" TOKEN "\r\n",
        "Cookie: a=1;\trelayd=" TOKEN "\r\n",
        "Cookie: relayd=" TOKEN " ; a=1\r\n",
        "Cookie: a=1, relayd=" TOKEN "\r\n",
        "Cookie: a=relayd=" TOKEN "\r\n",
        "Cookie: RELAYD=" TOKEN "\r\n",
        "Cookie: relayd=" TOKEN "; relayd=AAAAAAAAAAAAAAAAAAAAAQ\r\n",
        "Cookie: relayd=" TOKEN "; relayd=\r\n",
        "Cookie: relayd=x\r\nCookie: relayd=" TOKEN "\r\n",
        "Cookie: relayd=AAAAAAAAAAAAAAAAAAAAAA\r\n", /* none */
        "X-Cookie: relayd=" TOKEN "\r\n",
        "Set-Cookie: relayd=" TOKEN "\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (!cookie_token_is_none(found_in(bad[i])))
            fail_msg("%s", bad[i]);
}

static void passes(const char *field, const char *expected) {
    struct http_out out;
    char text[4096];

    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", field);
    struct http1_head head = request_of(text);
    http_out_begin(&out);
    cookie_pass(text, &head.fields[1], "relayd", &out);
    char *got = text_of_out(&out);
    assert_string_equal(got, expected);
    free(got);
}

static void what_is_passed(void **state) {
    static const char *const alone[] = {
        ("Cookie: relayd=" TOKEN),
        "Cookie: relayd=",
        "Cookie: relayd=1; relayd=2",
        "Cookie: relayd=1;",
        "Cookie: relayd=1;\trelayd \t= 2 ; relayd=3",
    };
    static const char *const whole[] = {
        "Cookie: a=1\r\n",
        "cOOkie:a=1 \t\r\n",
        "Cookie: relayd; a=relayd=1;  ;xrelayd=1; Relayd=2 ;relayd2=3;;\r\n",
        "Cookie: \r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(alone); i++)
        passes(alone[i], "");
    for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
        char field[256];

        snprintf(field, sizeof(field), "%.*s", (int)strlen(whole[i]) - 2, whole[i]);
        passes(field, strcmp(field, "Cookie: ") == 0 ? "" : whole[i]);
    }
    passes("Cookie: relayd=1; a=1", "Cookie: a=1\r\n");
    passes("Cookie: a=1; relayd=1", "Cookie: a=1\r\n");
    passes("cookie:\ta=1 ;relayd=1;\tb=2 \t", "cookie:\ta=1 ;\tb=2 \t\r\n");
    passes("Cookie: relayd=1; relayd=2; a=1; relayd=3; relayd=4; b=2; relayd=5",
           "Cookie: a=1; b=2\r\n");
    passes("Cookie: a=\"1; relayd=2; b=3\"", "Cookie: a=\"1; b=3\"\r\n");
}

static bool sets(const char *value) {
    return cookie_sets(value, (struct http1_span){0, (uint16_t)strlen(value)}, "relayd");
}

static void what_servers_may_not_set(void **state) {
    (void)state;
    assert_true(sets("relayd=1") && sets("relayd=; Path=/") && sets(" relayd =1;"));
    assert_false(sets("") || sets("relayd") || sets("Relayd=1") || sets("a=relayd=1") ||
                 sets("a=1; relayd=2") || sets("relayd2=1"));
}

static void what_is_set(void **state) {
    struct http_out out;

    (void)state;
    for (int secure = 0; secure < 2; secure++) {
        http_out_begin(&out);
        cookie_add(token, "relayd", secure, &out);
        char *got = text_of_out(&out);
        assert_string_equal(got, secure ? "Set-Cookie: relayd=" TOKEN
                                          "; Path=/; HttpOnly; Secure; SameSite=Lax\r\n"
                                          "Cache-Control: private\r\n"
                                        : "Set-Cookie: relayd=" TOKEN
                                          "; Path=/; HttpOnly; SameSite=Lax\r\n"
                                          "Cache-Control: private\r\n");
        free(got);
    }
}

/* Each bit has its place. */
static void there_and_back(void **state) {
    struct http_out out;
    char field[256];

    (void)state;
    for (unsigned i = 0; i < 128; i++) {
        struct cookie_token one = {i < 64 ? (uint64_t)1 << i : 0,
                                   i < 64 ? 0 : (uint64_t)1 << (i - 64)};

        http_out_begin(&out);
        cookie_add(one, "relayd", false, &out);
        char *got = text_of_out(&out);
        snprintf(field, sizeof(field), "Cookie: %.29s\r\n", got + strlen("Set-Cookie: "));
        free(got);
        assert_true(cookie_token_equal(found_in(field), one));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_found),  cmocka_unit_test(what_is_not),
        cmocka_unit_test(what_is_passed), cmocka_unit_test(what_servers_may_not_set),
        cmocka_unit_test(what_is_set),    cmocka_unit_test(there_and_back),
    };

    return cmocka_run_group_tests_name("http_cookie", tests, NULL, NULL);
}
