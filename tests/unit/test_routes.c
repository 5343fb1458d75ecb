/* config/routes: sections of a listener, and which of them a client takes. */
#include "config_text.h"

#include "config/routes.h"

#define LISTEN "listener web { address = :443 "
#define TO     " { upstream = app }\n"

static struct client_hello hello_for(const char *name, const char *protocols) {
    struct client_hello hello = {.protocols_length = strlen(protocols)};

    strcpy(hello.name, name);
    memcpy(hello.protocols, protocols, hello.protocols_length);
    return hello;
}

static const char *chosen(const struct config *config, const char *name, const char *protocols) {
    const struct client_hello hello = hello_for(name, protocols);
    const struct route_config *route = route_choose(&config->listeners[0], &hello);

    return route != NULL ? route->pattern : "";
}

static void test_which_wins(void **state) {
    struct config *config = good(LISTEN
                                 "upstream = app\n"
                                 "route \"sni:*.example.com\"" TO
                                 "route \"sni:WWW.Example.com.\"" TO "route \"alpn:h2\"" TO
                                 "route \"sni:www.example.org\" { upstream = other }\n"
                                 "route \"alpn:acme-tls/1\"" TO "}\n" APP
                                 "upstream other { server a { address = 10.0.0.8:80 } }");

    (void)state;
    assert_string_equal(chosen(config, "www.example.com", ""), "sni:www.example.com");
    assert_string_equal(chosen(config, "w.example.com", ""), "sni:*.example.com");
    assert_string_equal(chosen(config, "w.w.example.com", ""), "");
    assert_string_equal(chosen(config, "example.com", ""), "");
    assert_string_equal(chosen(config, "", ""), "");
    assert_string_equal(chosen(config, "com", ""), "");
    assert_string_equal(chosen(config, "www.example.com",
                               "\x0a"
                               "acme-tls/1"),
                        "alpn:acme-tls/1");
    assert_string_equal(chosen(config, "www.example.com",
                               "\x0a"
                               "acme-tls/1\2h2"),
                        "alpn:h2");
    assert_string_equal(chosen(config, "www.example.com", "\3h2c"), "sni:www.example.com");
    assert_null(route_choose(&config->listeners[0], NULL));
    assert_int_equal(listener_upstream(&config->listeners[0], 3), 1);
    assert_int_equal(listener_upstream(&config->listeners[0], 5), 0);
    assert_true(listener_opens(&config->listeners[0]));
    config_unref(config);
}

static void test_routes_of_http_wait_for_nothing_before_a_request(void **state) {
    struct config *config = good(LISTEN "mode = http route a.example" TO "}\n" APP);

    (void)state;
    assert_false(listener_opens(&config->listeners[0]));
    config_unref(config);
}

static void test_the_listeners_upstream_may_be_missing(void **state) {
    struct config *config = good(LISTEN "route sni:a" TO "}\n" APP);

    (void)state;
    assert_true(config->listeners[0].upstream == NO_UPSTREAM);
    config_unref(config);
    bad(LISTEN "}\n" APP, "f:1: listener web: upstream must be given, as in upstream = app\n");
    bad(LISTEN "}\nlistener b { address = :1 route sni:a" TO "}" APP,
        "f:1: listener web: upstream must be given, as in upstream = app\n");
}

static void test_a_dump_loads_to_the_same(void **state) {
    struct config *config = good(LISTEN "route \"sni:*.A\"" TO "route alpn:x\\y" TO "}\n" APP),
                  *again;
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    (void)state;
    config_dump(config, false, out);
    fclose(out);
    assert_non_null(strstr(text, "    route \"sni:*.a\" {\n        upstream = app\n    }\n"));
    again = good(text);
    assert_int_equal(again->listeners[0].n_routes, 2);
    assert_string_equal(again->listeners[0].routes[1].pattern,
                        config->listeners[0].routes[1].pattern);
    assert_int_equal(again->fingerprint, config->fingerprint);
    config_unref(again);
    config_unref(config);
    free(text);
}

static void test_what_is_no_route(void **state) {
    static const char *const names[] = {"sni:a..b", "sni:",   "sni:.",
                                        "sni:a b",  "sni:*.", "sni:b\xc3\xbc"};
    char text[512], error[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(text, sizeof(text), LISTEN "route \"%s\"" TO "}\n" APP, names[i]);
        snprintf(error, sizeof(error),
                 "f:1: listener web: route \"%s\": a name is at most 255 letters, digits, \"-\", "
                 "\"_\" and single \".\", 63 between dots; others are written in their xn-- form\n",
                 names[i]);
        bad(text, error);
    }
    bad(LISTEN "route x" TO "route \"sni:*\"" TO "route \"sni:a.*.b\"" TO "route \"sni:[::1]\"" TO
               "route alpn:" TO "route sni:a {}\n}\n" APP,
        "f:1: listener web: route \"x\": must be \"sni:NAME\", \"sni:*.NAME\" or "
        "\"alpn:PROTOCOL\"; a host and a path, as in www.example.com/app/, are for mode = http\n"
        "f:2: listener web: route \"sni:*\": a \"*.\" may stand at the beginning of a name alone, "
        "for one label\n"
        "f:3: listener web: route \"sni:a.*.b\": a \"*.\" may stand at the beginning of a name "
        "alone, for one label\n"
        "f:4: listener web: route \"sni:[::1]\": clients never ask for an IP address by SNI; those "
        "without a name go to the listener's upstream\n"
        "f:5: listener web: route \"alpn:\": a protocol is 1 to 255 visible characters, as in "
        "\"alpn:h2\"\n"
        "f:6: listener web: route sni:a: upstream must be given, as in upstream = app\n");
    bad(LISTEN "route sni:a { upstream = ap }\nroute sni:b" TO "route sni:A." TO "}\n" APP,
        "f:1: listener web: route sni:a: upstream \"ap\" does not exist; did you mean \"app\"?\n"
        "f:3: listener web: route \"sni:a\" is given twice; the first is on line 1\n");
    bad(LISTEN "mode = http\nroute sni:a" TO "}\n" APP,
        "f:2: listener web: a route by what TLS asks for has no meaning with mode = http; it must "
        "be mode = tcp\n");
    bad("route sni:a" TO WEB APP, "f:1: section \"route\" belongs in section listener\n");
}

/* By a route alone, too. */
static void test_a_ring_by_a_route(void **state) {
    (void)state;
    bad("listener web { address = 127.0.0.1:443 upstream = other route sni:a" TO
        "}\n"
        "upstream app { server a { address = \"127.0.0.1:443\" } }\n"
        "upstream other { server a { address = \"10.0.0.9:80\" } }\n",
        "f:3: upstream app: server a is listener web of this relayd itself: its connections would "
        "come back for ever\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_wins),
        cmocka_unit_test(test_routes_of_http_wait_for_nothing_before_a_request),
        cmocka_unit_test(test_the_listeners_upstream_may_be_missing),
        cmocka_unit_test(test_a_dump_loads_to_the_same),
        cmocka_unit_test(test_what_is_no_route),
        cmocka_unit_test(test_a_ring_by_a_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
