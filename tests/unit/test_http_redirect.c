/* http/rewrite: where redirects lead. */
#include "http_texts.h"

#include <errno.h>

static int redirected(const struct config *config, const char *text, bool tls, bool close,
                      struct http_out *out) {
    struct http1_head head = request_of(text);
    const struct http_facts facts = {.listener = &config->listeners[0],
                                     .route = route_taken(config, text, &head),
                                     .tls = tls,
                                     .v1_0 = head.v1_0};
    int r = http_redirect(text, &head, &facts, close, out);

    if (r == 0)
        assert_int_equal(http_redirect_status(&facts), 308);
    return r;
}

static void leads(const struct config *config, const char *host, const char *target,
                  const char *location) {
    char text[512], expected[512];
    struct http_out out;

    snprintf(text, sizeof(text), "OPTIONS %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host);
    assert_int_equal(redirected(config, text, false, false, &out), 0);
    char *got = text_of_out(&out);
    snprintf(expected, sizeof(expected),
             "HTTP/1.1 308 Permanent Redirect\r\nLocation: %s\r\nContent-Type: text/plain; "
             "charset=utf-8\r\nContent-Length: 40\r\n\r\nWhat you ask for is at another "
             "address.\n",
             location);
    assert_string_equal(got, expected);
    free(got);
}

static void test_same_host_by_tls(void **state) {
    struct config *config = http_config("redirect = https");

    (void)state;
    leads(config, "a.b", "/x?y", "https://a.b/x?y");
    leads(config, "A.b:8080", "/", "https://A.b/");
    leads(config, "[::1]:80", "/", "https://[::1]/");
    leads(config, "a.b.", "*", "https://a.b/");
    leads(config, "a.b", "http://a.b", "https://a.b/");
    leads(config, "a.b", "http://a.b?y", "https://a.b/?y");
    leads(config, "a.b", "//evil.example/", "https://a.b//evil.example/");
    config_unref(config);
}

static void test_elsewhere(void **state) {
    struct config *config = http_config(
        "redirect = \"https://www.a.b\" route slash.a { redirect = \"https://s.a/\" } "
        "route prefix.a { redirect = \"https://p.a:8443/docs/\" } "
        "route page.a { redirect = \"https://p.a/gone.html?from=old#top\" } "
        "route c.a/old/ { redirect = \"https://c.a/new/\" } "
        "route d.a/old/ { redirect = \"https://d.a/new/\" strip_prefix = true } "
        "route e.a/old/ { redirect = \"https://e.a\" strip_prefix = true } "
        "route f.a/old/ { redirect = \"/new/\" strip_prefix = true }");

    (void)state;
    leads(config, "a.b", "/x?y", "https://www.a.b/x?y");
    leads(config, "slash.a", "/x?y", "https://s.a/x?y");
    leads(config, "prefix.a", "/x?y", "https://p.a:8443/docs/x?y");
    leads(config, "prefix.a", "/", "https://p.a:8443/docs/");
    leads(config, "page.a", "/x?y", "https://p.a/gone.html?from=old#top");
    leads(config, "c.a", "/old/x", "https://c.a/new/old/x");
    leads(config, "d.a", "/old/x?y", "https://d.a/new/x?y");
    leads(config, "d.a", "/old", "https://d.a/new/");
    leads(config, "d.a", "/old?y", "https://d.a/new/?y");
    leads(config, "e.a", "/old/x", "https://e.a/x");
    leads(config, "f.a", "/old/x", "/new/x");
    leads(config, "f.a", "/old", "/new/");
    config_unref(config);
}

static void test_how_it_is_told(void **state) {
    static const char head[] = "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 40\r\n";
    struct config *config =
        http_config("redirect = \"https://a.b\" hsts = 60 add_response = \"A: b\"");
    struct http_out out;
    char expected[512], *got;

    (void)state;
    assert_int_equal(redirected(config, "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", true, true, &out),
                     0);
    got = text_of_out(&out);
    snprintf(expected, sizeof(expected),
             "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://a.b/x\r\n%s"
             "Strict-Transport-Security: max-age=60\r\nA: b\r\nConnection: close\r\n\r\n",
             head);
    assert_string_equal(got, expected);
    free(got);
    assert_int_equal(redirected(config, "HEAD /x HTTP/1.0\r\n\r\n", false, false, &out), 0);
    got = text_of_out(&out);
    snprintf(expected, sizeof(expected),
             "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://a.b/x\r\n%s"
             "A: b\r\nConnection: keep-alive\r\n\r\n",
             head);
    assert_string_equal(got, expected);
    free(got);
    config_unref(config);
}

static void test_statuses(void **state) {
    static const int statuses[] = {301, 302, 307, 308};
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    struct http1_head head = request_of(text);
    char option[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        snprintf(option, sizeof(option), "redirect = https redirect_code = %d", statuses[i]);
        struct config *config = http_config(option);
        const struct http_facts facts = {.listener = &config->listeners[0]};
        struct http_out out;

        assert_int_equal(http_redirect(text, &head, &facts, false, &out), 0);
        char *got = text_of_out(&out);
        assert_int_equal(atoi(got + strlen("HTTP/1.1 ")), statuses[i]);
        assert_int_equal(http_redirect_status(&facts), statuses[i]);
        free(got);
        config_unref(config);
    }
}

static void test_no_host_to_lead_to(void **state) {
    struct config *config = http_config("redirect = https");
    struct http_out out;

    (void)state;
    assert_int_equal(redirected(config, "GET / HTTP/1.0\r\n\r\n", false, true, &out), -EINVAL);
    config_unref(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_host_by_tls),   cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_how_it_is_told),     cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_no_host_to_lead_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
