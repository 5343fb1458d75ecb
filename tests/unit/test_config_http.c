/* Options and routes of mode http. */
#include "config_text.h"

#include "config/error_pages.h"
#include "config/problems.h"
#include "config/route_index.h"
#include "config/routes.h"
#include "config/warnings.h"

#define LISTEN "listener web { address = :80 mode = http upstream = app "
#define OTHER  "upstream other { server a { address = 10.0.0.8:80 } }\n"

static const struct route_config *first_route(const struct config *config) {
    return &config->listeners[0].routes[0];
}

static void pattern_becomes(const char *pattern, const char *expected, const char *host) {
    char text[1024], got[ROUTE_PATTERN_SIZE];

    snprintf(text, sizeof(text), LISTEN "route \"%s\" { } }\n" APP, pattern);
    struct config *config = good(text);
    assert_string_equal(first_route(config)->pattern, expected);
    assert_int_equal(first_route(config)->kind, ROUTE_HTTP);
    assert_string_equal(route_host(first_route(config), got), host);
    config_unref(config);
}

static void test_patterns(void **state) {
    (void)state;
    pattern_becomes("Www.Example.com.", "www.example.com", "www.example.com");
    pattern_becomes("a", "a", "a");
    pattern_becomes("a.b/", "a.b", "a.b");
    pattern_becomes("a.b/x", "a.b/x/", "a.b");
    pattern_becomes("*.a.b/X/y/", "*.a.b/X/y/", "*.a.b");
    pattern_becomes("/x/", "/x/", "");
    pattern_becomes("/x:y@z/~;a=b", "/x:y@z/~;a=b/", "");
    pattern_becomes("[2001:DB8:0::1]/x", "[2001:db8::1]/x/", "[2001:db8::1]");
    pattern_becomes("192.0.2.1.", "192.0.2.1", "192.0.2.1");
    pattern_becomes("a/%7eb/%c3%bc", "a/~b/%C3%BC/", "a");
}

static void pattern_is_bad(const char *pattern, const char *why) {
    char text[1024], expected[1024], shown[PROBLEMS_SHOWN_MAX];

    snprintf(text, sizeof(text), LISTEN "route '%s' { } }\n" APP, pattern);
    snprintf(expected, sizeof(expected), "f:1: listener web: route \"%s\": %s\n",
             problems_show(pattern, shown), why);
    bad(text, expected);
}

static void test_what_is_no_pattern(void **state) {
    static const char everybody[] =
        "clients that no route takes go to the listener's own upstream; a route has a host, or a "
        "path of its own";
    static const char host[] =
        "a host is letters, digits, \"-\", \"_\" and single \".\", 63 between dots, or an IP "
        "address, IPv6 in \"[]\"; others are written in their xn-- form";
    static const char segments[] = "a path has no empty segments, \".\" or \"..\"";
    static const char encoded[] = "a path has no encoded \"/\", \"\\\", \"%\", \"?\", \"#\" or NUL";
    char path[300];

    (void)state;
    pattern_is_bad("", everybody);
    pattern_is_bad("/", everybody);
    pattern_is_bad("*", everybody);
    pattern_is_bad("*/x/", everybody);
    pattern_is_bad("https://a.b/", "a pattern is a host and a path, without https:// before it");
    pattern_is_bad("a.b:80",
                   "a pattern has no port: a host is the same at each of the listener's addresses");
    pattern_is_bad("2001:db8::1", "an IPv6 address stands in \"[]\"");
    pattern_is_bad("a..b", host);
    pattern_is_bad("a b", host);
    pattern_is_bad("[::1]:80", host);
    pattern_is_bad("*.", host);
    pattern_is_bad("*.10.0.0.1", host);
    pattern_is_bad("a.*.b",
                   "a \"*.\" may stand at the beginning of a host alone, for one label or "
                   "more");
    pattern_is_bad("a//b", segments);
    pattern_is_bad("/a/./b", segments);
    pattern_is_bad("/a/%2e%2E/b", segments);
    pattern_is_bad("/a/..", segments);
    pattern_is_bad("/a%2fb", encoded);
    pattern_is_bad("/a%00b", encoded);
    pattern_is_bad("/a/*", "a path stands for all that begins with it: leave the \"*\" out");
    pattern_is_bad("/a?b", "a pattern ends with the path: a query does not choose a route");
    pattern_is_bad("/a%b", "a path is visible ASCII; other bytes are written as %XX");
    pattern_is_bad("/a b", "a path is visible ASCII; other bytes are written as %XX");
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[255] = '\0';
    pattern_is_bad(path, "a path is at most 254 bytes long");
    path[254] = '\0';
    char text[512];
    snprintf(text, sizeof(text), LISTEN "route \"%s\" { } }\n" APP, path);
    config_unref(good(text));
    bad(LISTEN "route a.b/x { }\nroute A.B./%78/ { }\n}\n" APP,
        "f:2: listener web: route \"a.b/x/\" is given twice; the first is on line 1\n");
    bad("listener web { address = :80 upstream = app route a.b { upstream = app } }\n" APP,
        "f:1: listener web: route \"a.b\": must be \"sni:NAME\", \"sni:*.NAME\" or "
        "\"alpn:PROTOCOL\"; a host and a path, as in www.example.com/app/, are for mode = http\n");
}

static void test_where_requests_go(void **state) {
    struct config *config = good(
        "listener web { address = :80 mode = http redirect = https\n"
        "route a { upstream = other }\nroute b { }\nroute c { redirect = \"https://x\" "
        "redirect_code = 301 }\nroute d { redirect = \"\" upstream = app }\n}\n" APP OTHER);
    const struct listener_config *listener = &config->listeners[0];

    (void)state;
    assert_true(listener->own.upstream == NO_UPSTREAM);
    assert_int_equal(listener->own.target.form, REDIRECT_SCHEME);
    assert_int_equal(listener->routes[0].upstream, 1);
    assert_int_equal(listener->routes[0].target.form, REDIRECT_NONE);
    assert_string_equal(listener->routes[1].redirect, "https");
    assert_true(listener->routes[1].upstream == NO_UPSTREAM);
    assert_int_equal(listener->routes[2].target.form, REDIRECT_HOST);
    assert_int_equal(listener->routes[2].redirect_code, REDIRECT_301);
    assert_int_equal(listener->routes[3].upstream, 0);
    config_unref(config);
    config = good(LISTEN "route a { }\nroute b { upstream = other } }\n" APP OTHER);
    assert_int_equal(config->listeners[0].own.upstream, 0);
    assert_int_equal(config->listeners[0].routes[0].upstream, 0);
    assert_int_equal(config->listeners[0].routes[1].upstream, 1);
    config_unref(config);
    bad("listener web { address = :80 mode = http\nroute a { }\nroute b { redirect = \"\" } }" APP,
        "f:2: listener web: route a: upstream or redirect must be given, as in upstream = app\n"
        "f:3: listener web: route b: upstream or redirect must be given, as in upstream = app\n");
    bad("listener web { address = :80 mode = http }" APP,
        "f:1: listener web: upstream must be given, as in upstream = app\n");
    bad(LISTEN "redirect = https\nroute a { upstream = app redirect = \"https://b\" } }" APP,
        "f:1: listener web: redirect has no meaning with upstream: clients go either elsewhere or "
        "to servers\n"
        "f:2: listener web: route a: redirect has no meaning with upstream: clients go either "
        "elsewhere or to servers\n");
    bad(LISTEN "route a { upstream = ap } }" APP,
        "f:1: listener web: route a: upstream \"ap\" does not exist; did you mean \"app\"?\n");
}

/* Across sections, in whatever order they are written. */
#define H2                                                                                         \
    "upstream h2 { server a { address = 10.0.0.8:443 }\n"                                          \
    "tls { verify = false alpn = h2 } }\n"

static bool is_without_tls(void) {
    char *errors;
    struct config *config = load(WEB APP H2, &errors);
    bool without = errors != NULL && strstr(errors, "was built without TLS") != NULL;

    if (config != NULL)
        config_unref(config);
    free(errors);
    return without;
}

static void test_http2(void **state) {
    static const char h2[] = H2;
    char text[1024];

    (void)state;
    if (is_without_tls())
        skip();
    snprintf(text, sizeof(text),
             "%s" LISTEN "route a { } }\nlistener raw { address = :81 upstream = h2 }\n" APP, h2);
    config_unref(good(text));
    snprintf(text, sizeof(text),
             "%s" LISTEN
             "route a { upstream = h2 } }\n"
             "listener raw { address = :81 upstream = h2 }\n" APP,
             h2);
    bad(text,
        "f:2: upstream h2: tls: alpn: h2 is HTTP/2, and listener web, which leads here, has "
        "mode = http and speaks HTTP/1.1 alone; leave h2 out, or set mode = tcp there\n");
    snprintf(text, sizeof(text),
             "listener raw { address = :81 upstream = app }\n" LISTEN
             "route a { upstream = h2 }\nroute b { upstream = h2 } }\n" APP "%s",
             h2);
    bad(text,
        "f:6: upstream h2: tls: alpn: h2 is HTTP/2, and listener web, which leads here, has "
        "mode = http and speaks HTTP/1.1 alone; leave h2 out, or set mode = tcp there\n");
}

/* What a route does not say it has from its listener; a list as a whole. */
static void test_inheritance(void **state) {
    struct config *config =
        good(LISTEN
             "max_body = 1M response_timeout = 5s hsts = 1h redirect_code = 302 "
             "set_request = {\"A: 1\", \"B: 2\"} remove_response = Server\n"
             "route a { }\n"
             "route b { max_body = 0 set_request = \"C: 3\" remove_response = {} "
             "hsts = 2h } route c/x/ { set_request += \"D: 4\" } }\n" APP);
    const struct route_config *routes = config->listeners[0].routes;

    (void)state;
    assert_int_equal(routes[0].max_body, 1 << 20);
    assert_int_equal(routes[0].response_timeout, 5 * USEC_PER_SEC);
    assert_int_equal(routes[0].redirect_code, REDIRECT_302);
    assert_int_equal(routes[0].hsts, 3600 * USEC_PER_SEC);
    assert_int_equal(routes[0].request.n_lines, strlen("A: 1\r\nB: 2\r\n"));
    assert_memory_equal(routes[0].request.lines, "A: 1\r\nB: 2\r\n", routes[0].request.n_lines);
    assert_true(header_edits_take_off(&routes[0].response, "server", 6));
    assert_int_equal(routes[1].max_body, 0);
    assert_int_equal(routes[1].hsts, 7200 * USEC_PER_SEC);
    assert_memory_equal(routes[1].request.lines, "C: 3\r\n", 6);
    assert_false(header_edits_take_off(&routes[1].response, "Server", 6));
    assert_memory_equal(routes[2].request.lines, "D: 4\r\n", 6);
    assert_int_equal(config->listeners[0].own.max_body, 1 << 20);
    assert_true(header_edits_take_off(&config->listeners[0].own.request, "a", 1));
    config_unref(config);
}

static char *dumped(const struct config *config, bool changed) {
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    config_dump(config, changed, out);
    fclose(out);
    return text;
}

static void test_a_dump_says_the_same(void **state) {
    static const char routes[] =
        "    route \"a.b/x/\" {\n"
        "        upstream = other\n"
        "        redirect = \"\"\n"
        "        strip_prefix = true\n"
        "        max_body = 0\n"
        "        set_request = {}\n"
        "    }\n"
        "    route \"c\" {\n"
        "        add_response = {\"X: \\\"y\\\"\"}\n"
        "    }\n";
    struct config *config = good(
        "listener web { address = :80 mode = http redirect = https max_body = 1M "
        "set_request = \"A: b\"\ntrusted_proxies = {\"10.0.0.0/8\", \"::1\"} via = on\n"
        "route A.b/x { upstream = other max_body = 0 strip_prefix = true set_request = {} }\n"
        "route c { max_body = 1024k add_response = 'X: \"y\"' } }\n" APP OTHER);

    (void)state;
    for (int changed = 0; changed < 2; changed++) {
        char *text = dumped(config, changed);
        struct config *again = good(text);

        assert_int_equal(again->fingerprint, config->fingerprint);
        if (changed)
            assert_non_null(strstr(text, routes));
        config_unref(again);
        free(text);
    }
    config_unref(config);
    /* and that of mode tcp has defaults that mean nothing there */
    config = good(WEB APP);
    char *text = dumped(config, false);
    assert_non_null(strstr(text, "    head_timeout = 10s\n"));
    config_unref(good(text));
    config_unref(config);
    free(text);
}

#define NO_MEANING " has no meaning without mode = http\n"

static void test_in_mode_tcp(void **state) {
    (void)state;
    bad("listener web { address = :80 upstream = app redirect_code = 301 max_body = 1\n"
        "response_timeout = 1s hsts = 1h\nset_request = \"A: b\" add_request = \"A: b\"\n"
        "remove_request = A\nset_response = \"A: b\" add_response = \"A: b\"\n"
        "remove_response = A\nhead_timeout = 1s\nkeepalive_timeout = 1s\nwebsocket = off\n"
        "forwarded = on\nvia = on\nrequest_id = off\ntrusted_proxies = ::1\n"
        "route sni:a { upstream = app strip_prefix = true error_pages = \"/x\" } }\n" APP,
        "f:1: listener web: redirect_code" NO_MEANING "f:1: listener web: max_body" NO_MEANING
        "f:2: listener web: response_timeout" NO_MEANING "f:2: listener web: hsts" NO_MEANING
        "f:3: listener web: set_request" NO_MEANING "f:3: listener web: add_request" NO_MEANING
        "f:4: listener web: remove_request" NO_MEANING "f:5: listener web: set_response" NO_MEANING
        "f:5: listener web: add_response" NO_MEANING "f:6: listener web: remove_response" NO_MEANING
        "f:7: listener web: head_timeout" NO_MEANING
        "f:8: listener web: keepalive_timeout" NO_MEANING "f:9: listener web: websocket" NO_MEANING
        "f:10: listener web: forwarded" NO_MEANING "f:11: listener web: via" NO_MEANING
        "f:12: listener web: request_id" NO_MEANING "f:13: listener web: trusted_proxies" NO_MEANING
        "f:14: listener web: route sni:a: strip_prefix" NO_MEANING
        "f:14: listener web: route sni:a: error_pages" NO_MEANING);
    bad("listener web { address = :80 redirect = https }" APP,
        "f:1: listener web: redirect" NO_MEANING);
    config_unref(
        good("listener web { address = :80 upstream = app response_timeout = 60 "
             "via = off max_body = 0k set_request = {} redirect = \"\" }" APP));
}

static void header_is_bad(const char *option, const char *value, const char *why) {
    char text[1024], expected[1024];

    snprintf(text, sizeof(text), LISTEN "%s = {\"A-b: c\", \"%s\"} }\n" APP, option, value);
    if (strncmp(option, "remove", 6) == 0)
        snprintf(text, sizeof(text), LISTEN "%s = {\"A-b\", \"%s\"} }\n" APP, option, value);
    snprintf(expected, sizeof(expected),
             value[0] != '\0' ? "f:1: listener web: %s = %s: %s\n"
                              : "f:1: listener web: %s = \"%s\": %s\n",
             option, value, why);
    bad(text, expected);
}

static void test_fields_of_headers(void **state) {
    static const char own[] = "relayd writes this field itself, for each of its connections";
    static const char name[] =
        "the name of a field has letters, digits and \"-\", without blanks, "
        "as in \"X-Robots-Tag: noindex\"";
    static const char both[] =
        "must be a name and a value with \":\" between them, as in "
        "\"X-Robots-Tag: noindex\"";
    static const char missing[] =
        "its value is missing; to take a field off, use remove_request "
        "or remove_response";
    static const char variables[] =
        "a value is sent as it stands, there are no variables as in nginx or HAProxy; who asks is "
        "told in X-Forwarded-For and the like without any";
    static const char host[] =
        "must be a host, as in \"Host: app.example\" or \"Host: app.example:8080\"";

    (void)state;
    header_is_bad("set_request", "", both);
    header_is_bad("set_request", "X-Foo", both);
    header_is_bad("set_request", ": x", "must be a field, as in \"X-Robots-Tag: noindex\"");
    header_is_bad("set_request", "X Foo: x", name);
    header_is_bad("set_request", "X-Foo : x", name);
    header_is_bad("add_response", "X(: x", name);
    header_is_bad("set_request", "X-Foo:", missing);
    header_is_bad("set_response", "X-Foo:  ", missing);
    header_is_bad("add_response", "X-Foo:  ", "its value is missing");
    header_is_bad("set_request", "Connection: close", own);
    header_is_bad("set_request", "Content_Length: 3", own);
    header_is_bad("add_request", "transfer-encoding: chunked", own);
    header_is_bad("set_response", "Upgrade: h2c", own);
    header_is_bad("remove_response", "Content-Length", own);
    header_is_bad("remove_request", "Te", own);
    header_is_bad("remove_request", "X-Foo: x",
                  "must be the name of a field alone, without a value, as in \"X-Powered-By\"");
    header_is_bad("remove_request", "", "must be the name of a field, as in \"X-Powered-By\"");
    header_is_bad("remove_request", "Host", "a request has one Host; set_request replaces it");
    header_is_bad("add_request", "Host: a", "a request has one Host; set_request replaces it");
    header_is_bad("set_request", "Host: a/b", host);
    header_is_bad("set_request", "Host: a b", host);
    header_is_bad("set_request", "X-Real-IP: $remote_addr", variables);
    header_is_bad("set_request", "Host: $host:80", variables);
    header_is_bad("set_request", "X-Client: %[src]", variables);
    header_is_bad("set_request", "Expect: x",
                  "relayd has to know what a client expects: this field is passed as it is");
    /* variables.c has told of it before */
    assert_string_equal(header_edits_check(HEADER_SET_RESPONSE, "A: a\r\nB: c"),
                        "a value must have no line ends or other control characters");
    config_unref(good(LISTEN "set_request = {\"Host: [::1]:80\", \"X-Forwarded-Proto: https\"} "
                             "set_response = {\"Content-Security-Policy: a 'b' \xc3\xbc\", "
                             "\"X-Price: 5$ or $a %20\"} }" APP));
}

static void test_how_many_bytes(void **state) {
    char text[8192], value[4100];

    (void)state;
    memset(value, 'x', sizeof(value));
    value[4096 - strlen("A: \r\n")] = '\0';
    snprintf(text, sizeof(text), LISTEN "\nroute a { add_response = \"A: %s\" } }\n" APP, value);
    config_unref(good(text));
    snprintf(text, sizeof(text), LISTEN "\nroute a { add_response = \"A: %sx\" } }\n" APP, value);
    bad(text,
        "f:2: listener web: route a: set_response and add_response must have at most 4096 "
        "bytes together\n");
}

static void redirect_is_bad(const char *value, const char *why) {
    char text[2048], expected[2048], shown[PROBLEMS_SHOWN_MAX];

    snprintf(text, sizeof(text),
             "listener web { address = :80 mode = http redirect = \"%s\" }\n" APP, value);
    snprintf(expected, sizeof(expected), "f:1: listener web: redirect = %s: %s\n",
             problems_show(value, shown), why);
    bad(text, expected);
}

static void test_redirects(void **state) {
    static const char why[] =
        "must be https, for the same host and path by TLS, or a URL, as in "
        "\"https://www.example.com\" or \"https://www.example.com/docs/\"";
    static const char *const values[] = {
        "www.example.com", "http",        "https://",   "ftp://a",      "//a", "/",
        "https:///x",      "https://a b", "https:// a", "https://a/<x>"};
    char text[1100];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        redirect_is_bad(values[i], why);
    memset(text, 'a', sizeof(text));
    memcpy(text, "https://", 8);
    text[1025] = '\0';
    redirect_is_bad(text, "must not be longer than 1024 bytes");
    bad(LISTEN "redirect_code = 301\n}" APP,
        "f:1: listener web: redirect_code has no meaning without redirect\n");
    bad(LISTEN "route a { redirect_code = 303 } }" APP,
        "f:1: listener web: route a: redirect_code = 303: must be 301, 302, 307 or 308\n");
    bad(LISTEN "route a { strip_prefix = true } }" APP,
        "f:1: listener web: route a: strip_prefix has no meaning without a path in the pattern\n");
    bad(LISTEN "hsts = 1500ms }" APP,
        "f:1: listener web: hsts must be whole seconds, as in hsts = 8760h, a year\n");
    config_unref(good(LISTEN "redirect_code = 301 route a { redirect = https } }" APP));
}

static void test_trusted_proxies(void **state) {
    struct config *config = good(LISTEN "trusted_proxies = {10.0.0.0/8} }" APP);
    struct addr addr;
    const char *why;

    (void)state;
    assert_true(addr_parse_ip("::ffff:10.1.2.3", &addr, &why));
    assert_int_equal(prefix_set_find(config->listeners[0].trusted, &addr), 0);
    assert_null(config->listeners[0].access);
    config_unref(config);
    bad(LISTEN "trusted_proxies = {10.0.0.0/8,\n10.0.0.0/8, x} }" APP,
        "f:2: listener web: trusted_proxies = x: it does not begin with an IPv4 or IPv6 address, "
        "as "
        "in 10.0.0.0/8 or 2001:db8::/32\n"
        "f:2: listener web: trusted_proxies: prefix 10.0.0.0/8 is given twice; the first is on "
        "line 1\n");
}

/* A route's own pages, or those of its listener, read once. */
static void test_pages_of_routes(void **state) {
    char folder[] = "/tmp/relayd-pages-XXXXXX", path[64], text[512];
    FILE *page;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/503.html", folder);
    page = fopen(path, "w");
    assert_non_null(page);
    fputs("down", page);
    fclose(page);
    snprintf(text, sizeof(text),
             LISTEN "error_pages = \"%s\" route a { }\nroute b { error_pages = \"\" } }" APP,
             folder);
    struct config *config = good(text);
    assert_ptr_equal(config->listeners[0].routes[0].pages, config->listeners[0].pages);
    assert_ptr_equal(config->listeners[0].own.pages, config->listeners[0].pages);
    assert_null(config->listeners[0].routes[1].pages);
    config_unref(config);
    snprintf(text, sizeof(text), LISTEN "route a { error_pages = \"%s\" } }" APP, folder);
    config = good(text);
    assert_null(config->listeners[0].pages);
    assert_int_equal(error_pages_find(config->listeners[0].routes[0].pages, 503)->n, 4);
    config_unref(config);
    remove(path);
    remove(folder);
}

static void note_warning(void *arg, const char *where, const char *sentence) {
    strncat(arg, where, 100);
    strncat(arg, sentence, 200);
}

static void test_redirects_that_lead_back(void **state) {
#define BACK " leads its clients back to this route for ever."
    static const struct {
        const char *listener, *said;
    } cases[] = {
        {"upstream = app route b { redirect = /docs/ }",
         "f:1: listener web: route b: redirect = /docs/" BACK},
        {"upstream = app route b { redirect = /docs/ } route b/docs/ { }", ""},
        {"upstream = app route \"*.b\" { redirect = \"/docs/a?b\" }",
         "f:1: listener web: route *.b: redirect = /docs/a?b" BACK},
        {"upstream = app route /old/ { redirect = /old/new/ strip_prefix = true }",
         "f:1: listener web: route /old/: redirect = /old/new/" BACK},
        {"upstream = app route /old/ { redirect = /new/ strip_prefix = true }", ""},
        {"upstream = app route /old/ { redirect = /new/ }", ""},
        {"upstream = app route www.b { redirect = \"http://WWW.b\" }",
         "f:1: listener web: route www.b: redirect = http://WWW.b" BACK},
        {"upstream = app route www.b/x/ { redirect = \"http://www.b/y/\" }", ""},
        {"upstream = app route www.b/x/ { redirect = \"http://www.b?x\" }", ""},
        {"upstream = app route www.b { redirect = \"https://www.b\" }", ""},
        {"upstream = app route www.b { redirect = \"http://www.b:81\" }", ""},
        {"upstream = app route b { redirect = \"http://www.b\" }", ""},
        {"redirect = \"http://www.b\"", ""},
        {"redirect = /docs/",
         "f:1: listener web: redirect = /docs/ leads its clients back here for ever."},
        {"redirect = /docs/ route /docs/ { upstream = app }", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[512], said[1024] = "";

        snprintf(text, sizeof(text), "listener web { address = :80 mode = http %s }\n%s",
                 cases[i].listener, APP);
        struct config *config = good(text);
        warnings_tell_asked(config, note_warning, said);
        if (strstr(said, "used by no listener") == NULL)
            assert_string_equal(said, cases[i].said);
        else
            assert_int_equal(strncmp(said, cases[i].said, strlen(cases[i].said)), 0);
        config_unref(config);
    }
#undef BACK
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redirects_that_lead_back),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_what_is_no_pattern),
        cmocka_unit_test(test_where_requests_go),
        cmocka_unit_test(test_http2),
        cmocka_unit_test(test_inheritance),
        cmocka_unit_test(test_a_dump_says_the_same),
        cmocka_unit_test(test_in_mode_tcp),
        cmocka_unit_test(test_fields_of_headers),
        cmocka_unit_test(test_how_many_bytes),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_trusted_proxies),
        cmocka_unit_test(test_pages_of_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
