/* http/match: which route takes a request. */
#include "http_texts.h"

#define TO "\" { upstream = app } "
#define IN " route \""

/* The pattern of the route, or "own", "none", "path". */
static const char *taken(const struct config *config, const char *host, const char *target) {
    char text[9000];
    const struct route_config *route = NULL;

    snprintf(text, sizeof(text), "OPTIONS %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host);
    struct http1_head head = request_of(text);
    switch (http_match(&config->listeners[0], text, &head, &route)) {
    case HTTP_MATCH_ROUTE:
        return route->pattern;
    case HTTP_MATCH_OWN:
        return "own";
    case HTTP_MATCH_NONE:
        return "none";
    case HTTP_MATCH_PATH:
    default:
        return "path";
    }
}

static void takes(const struct config *config, const char *host, const char *target,
                  const char *pattern) {
    assert_string_equal(taken(config, host, target), pattern);
}

static void test_most_specific_wins(void **state) {
    struct config *config =
        http_config(IN "*.example.com" TO IN "example.com" TO IN "api.example.com/v1/" TO IN
                       "api.example.com/v1/users/" TO IN "*.b.example.com" TO IN "/static/" TO IN
                       "*.example.com/img/" TO IN "API.example.com./v2" TO);

    (void)state;
    takes(config, "example.com", "/", "example.com");
    takes(config, "EXAMPLE.com.:8080", "/x", "example.com");
    takes(config, "www.example.com", "/", "*.example.com");
    takes(config, "a.www.example.com", "/", "*.example.com");
    takes(config, "a.b.example.com", "/", "*.b.example.com");
    takes(config, "b.example.com", "/", "*.example.com");
    takes(config, "api.example.com", "/v1", "api.example.com/v1/");
    takes(config, "api.example.com", "/v1?q=/v1/users/", "api.example.com/v1/");
    takes(config, "api.example.com", "/v1/", "api.example.com/v1/");
    takes(config, "api.example.com", "/v1/user", "api.example.com/v1/");
    takes(config, "api.example.com", "/v1/users", "api.example.com/v1/users/");
    takes(config, "api.example.com", "/v1/users/7", "api.example.com/v1/users/");
    takes(config, "api.example.com", "/v2/x", "api.example.com/v2/");
    /* whole segments, and then a less specific host */
    takes(config, "api.example.com", "/v10", "*.example.com");
    takes(config, "api.example.com", "/", "*.example.com");
    takes(config, "api.example.com", "/img/a.png", "*.example.com/img/");
    /* a host counts more than a path */
    takes(config, "a.b.example.com", "/img/a.png", "*.b.example.com");
    takes(config, "www.example.com", "/static/a", "*.example.com");
    takes(config, "example.org", "/static/a", "/static/");
    takes(config, "example.org", "/static", "/static/");
    takes(config, "example.org", "/staticx", "none");
    takes(config, "example.org", "/", "none");
    takes(config, "notexample.com", "/", "none");
    config_unref(config);
}

static void test_forms_of_the_target(void **state) {
    struct config *config = http_config("upstream = app" IN "a.b/x/" TO IN "a.c" TO IN "a.b" TO);

    (void)state;
    takes(config, "a.b", "http://a.b", "a.b");
    takes(config, "a.b", "http://a.b?x", "a.b");
    takes(config, "a.b", "http://a.b/x?x", "a.b/x/");
    takes(config, "a.b", "*", "a.b");
    takes(config, "a.c", "*", "a.c");
    takes(config, "a.d", "*", "own");
    config_unref(config);
}

/* What routes is what the server sees. */
static void test_paths_in_other_words(void **state) {
    struct config *config =
        http_config("upstream = app" IN "/admin/" TO IN "/a%2cb/" TO IN "/%c3%bc/x%20y/" TO);

    (void)state;
    takes(config, "a", "/%61dmin/x", "/admin/");
    takes(config, "a", "/%61dmi%6E", "/admin/");
    takes(config, "a", "/admin%3f/", "own");
    takes(config, "a", "/Admin/", "own");
    takes(config, "a", "/a,b/", "/a,b/");
    takes(config, "a", "/a%2Cb/", "/a,b/");
    takes(config, "a", "/%C3%BC/x%20y", "/%C3%BC/x%20y/");
    takes(config, "a", "/%c3%bC/x%20%79/", "/%C3%BC/x%20y/");
    takes(config, "a", "/x/../admin/", "path");
    takes(config, "a", "/./admin/", "path");
    takes(config, "a", "//admin/", "path");
    takes(config, "a", "/x%2f..%2fadmin/", "path");
    takes(config, "a", "/%2e/admin", "path");
    config_unref(config);
    /* without a path in a route, they are the server's affair */
    config = http_config("upstream = app" IN "a" TO);
    takes(config, "a", "//x/../admin/", "a");
    config_unref(config);
}

static void test_addresses_as_hosts(void **state) {
    struct config *config = http_config(IN "[2001:DB8:0::1]" TO IN "192.0.2.1" TO);

    (void)state;
    takes(config, "[2001:db8::1]:8080", "/", "[2001:db8::1]");
    takes(config, "[2001:0db8::0:1]", "/", "[2001:db8::1]");
    takes(config, "[2001:db8::2]", "/", "none");
    takes(config, "192.0.2.1:80", "/", "192.0.2.1");
    takes(config, "192.0.2.10", "/", "none");
    config_unref(config);
}

static void test_own_way(void **state) {
    struct config *config = http_config("upstream = app");

    (void)state;
    takes(config, "a", "//x", "own");
    config_unref(config);
    config = http_config("redirect = https");
    takes(config, "a", "/", "own");
    config_unref(config);
}

/* A request of 1.0 may have none; of others, the longest. */
static void test_hosts_at_the_edge(void **state) {
    static const char text[] = "GET /a/ HTTP/1.0\r\n\r\n";
    struct config *config = http_config(IN "a" TO IN "/a/" TO IN "*.a" TO);
    struct http1_head head = request_of(text);
    char host[256];

    (void)state;
    assert_string_equal(route_taken(config, text, &head)->pattern, "/a/");
    memset(host, 'x', sizeof(host));
    memcpy(host + 253, ".a", 3);
    takes(config, host, "/b", "*.a");
    config_unref(config);
}

/* The slow and obvious way: a loop over all. */
static const char *plainly(const char *const *paths, size_t n, const char *path) {
    const char *best = "own";
    char whole[64];

    snprintf(whole, sizeof(whole), "%s/", path);
    for (size_t i = 0; i < n; i++)
        if (strncmp(paths[i], whole, strlen(paths[i])) == 0 &&
            (best[0] == 'o' || strlen(paths[i]) > strlen(best)))
            best = paths[i];
    return best;
}

/* All paths of up to three of some segments, in routes and in requests. */
static void test_many_paths(void **state) {
    static const char *const segments[] = {"a", "a-", "a.", "a0", "b", "aa", "~"};
    enum { N = ARRAY_LEN(segments), ALL = N + N * N + N * N * N };
    static char paths[ALL][32];
    const char *routes[ALL];
    char text[16384] = "upstream = app";
    size_t n = 0, n_routes = 0;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        sprintf(paths[n++], "/%s", segments[i]);
        for (size_t k = 0; k < N; k++) {
            sprintf(paths[n++], "/%s/%s", segments[i], segments[k]);
            for (size_t l = 0; l < N; l++)
                sprintf(paths[n++], "/%s/%s/%s", segments[i], segments[k], segments[l]);
        }
    }
    assert_int_equal(n, ALL);
    for (size_t i = 0; i < ALL; i += 3) {
        static char patterns[ALL][34];

        sprintf(patterns[i], "%s/", paths[i]);
        routes[n_routes++] = patterns[i];
        sprintf(text + strlen(text), IN "%s" TO, patterns[i]);
    }
    struct config *config = http_config(text);
    for (size_t i = 0; i < ALL; i++) {
        char target[64];

        takes(config, "h", paths[i], plainly(routes, n_routes, paths[i]));
        snprintf(target, sizeof(target), "%.40s/", paths[i]);
        takes(config, "h", target, plainly(routes, n_routes, paths[i]));
        snprintf(target, sizeof(target), "%.40s/a/x", paths[i]);
        takes(config, "h", target, plainly(routes, n_routes, target));
    }
    config_unref(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_most_specific_wins),
        cmocka_unit_test(test_forms_of_the_target),
        cmocka_unit_test(test_paths_in_other_words),
        cmocka_unit_test(test_addresses_as_hosts),
        cmocka_unit_test(test_own_way),
        cmocka_unit_test(test_hosts_at_the_edge),
        cmocka_unit_test(test_many_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
