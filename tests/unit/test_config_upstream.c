/* The options of a production site: several servers, checks, PROXY protocol, access, limits. */
#include "config_text.h"

#include "base/text.h"
#include "config/options.h"
#include "config/warnings.h"
#include "upstream/balance.h"
#include "wire/proxy_protocol.h"

#define SERVER "server a { address = \"10.0.0.1:80\" } "

static struct addr ip(const char *text) {
    struct addr addr;
    const char *why;

    assert_true(addr_parse_ip(text, &addr, &why));
    return addr;
}

static void test_defaults(void **state) {
    struct config *config = good(WEB APP);
    const struct listener_config *web = &config->listeners[0];
    const struct upstream_config *app = &config->upstreams[0];

    (void)state;
    assert_int_equal(web->accept_proxy, PROXY_OFF);
    assert_null(web->senders);
    assert_null(web->access);
    assert_int_equal(app->balance, BALANCE_round_robin);
    assert_int_equal(app->source_address.n, 0);
    assert_int_equal(app->servers[0].weight, 1);
    assert_false(app->health_check.given);
    assert_string_equal(app->health_check.path, "/");
    assert_int_equal(app->health_check.n_expected, 1);
    assert_int_equal(app->health_check.expected[0].last, 399);
    config_unref(config);
}

static void test_values(void **state) {
    struct config *config = good(
        "listener web { address = :80 upstream = app accept_proxy = any\n"
        "  proxy_from = {\"10.0.0.0/8\", ::1} allow = 192.0.2.0/24 deny = {192.0.2.7, 0.0.0.0/0} "
        "}\n"
        "upstream app { balance = random_two send_proxy = v2 source_address = 127.0.0.2 on_down = "
        "reset\n"
        "  server a { address = \"10.0.0.1:80\" weight = 5 max_connections = 9 }\n"
        "  server b { address = srv:_http._tcp.app.example backup = true }\n"
        "  health_check { type = http path = \"/live?x=1\" host = app.example:8080 expect = "
        "\"204,300-302\" fall = 1 "
        "} }");
    const struct listener_config *web = &config->listeners[0];
    const struct upstream_config *app = &config->upstreams[0];
    struct addr inside = ip("192.0.2.9"), denied = ip("192.0.2.7"), outside = ip("203.0.113.1"),
                six = ip("::1");

    (void)state;
    assert_int_equal(prefix_set_find(web->access, &inside), ACCESS_ALLOW);
    assert_int_equal(prefix_set_find(web->access, &denied), ACCESS_DENY);
    assert_int_equal(prefix_set_find(web->access, &outside), ACCESS_DENY);
    assert_int_equal(prefix_set_find(web->access, &six), -1);
    assert_int_equal(prefix_set_find(web->senders, &six), 0);
    assert_int_equal(app->balance, BALANCE_random_two);
    assert_int_equal(app->source_address.n, 1);
    assert_int_equal(app->source_address.addrs[0].u.sa.sa_family, AF_INET);
    assert_int_equal(app->servers[1].address.form, ADDR_SRV);
    assert_string_equal(app->servers[1].address.name, "_http._tcp.app.example");
    assert_true(app->servers[1].backup);
    assert_true(app->health_check.given);
    assert_int_equal(app->health_check.n_expected, 2);
    assert_int_equal(app->health_check.expected[0].first, 204);
    assert_int_equal(app->health_check.expected[0].last, 204);
    assert_int_equal(app->health_check.expected[1].last, 302);
    config_unref(config);
}

static void test_dump_loads_again(void **state) {
    char *texts[2] = {NULL, NULL};
    size_t size;
    struct config *config = good(
        "listener web { address = :80 upstream = app allow = {10.0.0.0/8, \"::/0\"} "
        "max_connections = 7 }\n"
        "upstream app { slow_start = 90s " SERVER
        "server b { address = b:1 weight = 0 }\n"
        "health_check { type = http path = \"/a#b\" } }");

    (void)state;
    for (int i = 0; i < 2; i++) {
        FILE *out = open_memstream(&texts[i], &size);

        config_dump(config, false, out);
        fclose(out);
        config_unref(config);
        config = good(texts[i]);
    }
    assert_string_equal(texts[0], texts[1]);
    assert_non_null(strstr(texts[0], "    health_check {\n        type = http\n"));
    config_unref(config);
    free(texts[0]);
    free(texts[1]);
}

/* Options of the upstream, and the error. */
static void bad_upstream(const char *options, const char *expected) {
    char text[1024];

    snprintf(text, sizeof(text), WEB "upstream app {\n%s\n}\n", options);
    bad(text, expected);
}

static void bad_listener(const char *options, const char *expected) {
    char text[1024];

    snprintf(text, sizeof(text), "listener web { address = :80 upstream = app\n%s\n}\n" APP,
             options);
    bad(text, expected);
}

static void test_errors_of_upstreams(void **state) {
    (void)state;
    bad_upstream("",
                 "f:2: upstream app: a server must be given, as in server a { address = "
                 "\"127.0.0.1:80\" }\n");
    bad_upstream(SERVER "source_address = 10.0.0.2:80",
                 "f:3: upstream app: source_address = 10.0.0.2:80: an IP address without a port is "
                 "needed, as in "
                 "192.0.2.1 or 2001:db8::1\n");
    bad_upstream(SERVER "source_address = ::1",
                 "f:3: upstream app: source_address = ::1 cannot reach server a: one is IPv4, the "
                 "other IPv6\n");
    bad_upstream(SERVER "\nserver b { address = 10.0.0.1:80 }",
                 "f:4: upstream app: server b has the address of server a, on line 3; give that "
                 "one more weight "
                 "instead\n");
    bad_upstream(SERVER "\nserver b { address = \"[::ffff:10.0.0.1]:80\" }",
                 "f:4: upstream app: server b has the address of server a, on line 3; give that "
                 "one more weight "
                 "instead\n");
    bad_upstream(
        "server a { address = a:1 backup = true } server b { address = b:1 backup = true }",
        "f:2: upstream app: no server is there that the backups could stand in for: one "
        "must be no backup; with weight = 0 it gets no connections\n");
    bad_upstream("server a { address = a:1 weight = 1001 }",
                 "f:3: upstream app: server a: weight = 1001: must be a number from 0 to 1000\n");
    bad_upstream("server a { address = srv:http.tcp.x }",
                 "f:3: upstream app: server a: address = srv:http.tcp.x: the name of a service is "
                 "written as "
                 "srv:_http._tcp.app.example\n");
}

static void note_warning(void *arg, const char *where, const char *sentence) {
    snprintf(arg, 256, "%s%s", where, sentence);
}

/* A whole upstream may be drained; it is said. */
static void test_upstreams_that_are_drained(void **state) {
    static const struct {
        const char *servers;
        bool drained;
    } cases[] = {
        {"server a { address = a:1 weight = 0 }", true},
        {"server a { address = a:1 weight = 0 } server b { address = b:1 weight = 0 backup = true "
         "}",
         true},
        {"server a { address = a:1 weight = 0 } server b { address = b:1 backup = true }", false},
        {"server a { address = a:1 weight = 0 } server b { address = b:1 }", false},
        {"server a { address = a:1 } server b { address = b:1 weight = 0 }", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[256], said[256] = "";

        snprintf(text, sizeof(text), WEB "upstream app { %s }", cases[i].servers);
        struct config *config = good(text);
        assert_int_equal(config->upstreams[0].drained, cases[i].drained);
        warnings_tell(config, note_warning, said);
        assert_string_equal(said, cases[i].drained
                                      ? "f:2: upstream app is drained: all its servers "
                                        "have weight 0, so its clients are refused."
                                      : "");
        config_unref(config);
    }
}

/* Of options that do nothing as the rest of the file is: who asks for a check is told. */
static void test_what_is_in_vain(void **state) {
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"listener web { address = :80 mode = http upstream = app hsts = 1h }\n",
         "f:1: listener web has hsts but no section tls: only responses over TLS get the field; "
         "where TLS ends in front of relayd, set it there."},
        {"listener web { address = :80 mode = http upstream = app route a { hsts = 1h } }\n",
         "f:1: listener web has hsts but no section tls: only responses over TLS get the field; "
         "where TLS ends in front of relayd, set it there."},
        {"listener web { address = :80 mode = http upstream = app hsts = 0 }\n", ""},
        {"access_log = \"/var/log/relayd/a\" listener web { address = :80 upstream = app }\n",
         "f:1: access_log /var/log/relayd/a stays empty: it has the requests of listeners in mode "
         "http, and there is none."},
        {"access_log = \"/var/log/relayd/a\" "
         "listener web { address = :80 upstream = app mode = http }\n",
         ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[256], said[256] = "";

        snprintf(text, sizeof(text), "%s%s", cases[i].text, "upstream app { " SERVER " }");
        struct config *config = good(text);
        warnings_tell_asked(config, note_warning, said);
        assert_string_equal(said, cases[i].said);
        config_unref(config);
    }
}

static void test_errors_of_health_checks(void **state) {
    (void)state;
    bad_upstream(SERVER "health_check {\n path = /x }",
                 "f:4: upstream app: health_check: path has no meaning without type = http\n");
    bad_upstream(
        SERVER "health_check a { }",
        "f:3: upstream app: section health_check takes no title, and \"a\" stands there\n");
    bad_upstream(SERVER "health_check { }\nhealth_check { }",
                 "f:4: upstream app: health_check is given twice; the first is on line 3\n");
    bad_upstream(SERVER "health_check { type = http path = x expect = 99 }",
                 "f:3: upstream app: health_check: path = x: must be a path that begins with \"/\" "
                 "and has no blanks "
                 "or control characters\n"
                 "f:3: upstream app: health_check: expect = 99: must be up to 8 statuses or ranges "
                 "from 100 to 599 "
                 "with \",\" between them, as in \"200-299,404\"\n");
    bad_upstream(
        SERVER "health_check { type = http host = \"a b\" rise = 0 }",
        "f:3: upstream app: health_check: host = a b: must be a host name, and may have a port\n"
        "f:3: upstream app: health_check: rise = 0: must be a number from 1 to 100\n");
    bad_upstream(SERVER "health_check { type = redis\nuser = a\nsend = a\nexpect = PONG }",
                 "f:4: upstream app: health_check: user has no meaning without type = mysql or "
                 "postgres\n"
                 "f:5: upstream app: health_check: send has no meaning without type = talk\n"
                 "f:6: upstream app: health_check: expect has no meaning without type = http or "
                 "talk\n");
    bad_upstream(SERVER "health_check {\ntype = talk send = 'PING\\r\\n' }",
                 "f:3: upstream app: health_check: expect must be given with type = talk, as in "
                 "expect = \"+PONG\"\n");
    bad_upstream(
        SERVER "health_check { expect = '+PONG' send = '\\q' type = talk path = /x }",
        "f:3: upstream app: health_check: send = \\q: after \"\\\" only r, n, t, \\ or x and "
        "two hexadecimal digits are known\n"
        "f:3: upstream app: health_check: path has no meaning without type = http\n");
    bad_upstream(SERVER "health_check { type = talk expect = '~(' }",
                 "f:3: upstream app: health_check: expect = ~(: is no extended regular expression "
                 "(regex(7))\n");
    bad_upstream(
        SERVER "health_check { title = 1 }",
        "f:3: upstream app: health_check: unknown option \"title\"; known here: @health_check\n");
}

static void test_errors_of_listeners(void **state) {
    (void)state;
    bad_listener("accept_proxy = v2",
                 "f:2: listener web: accept_proxy needs proxy_from: who may send the header, as in "
                 "proxy_from = "
                 "{\"10.0.0.0/8\"}\n");
    bad_listener(
        "proxy_from = 10.0.0.0/8",
        "f:2: listener web: proxy_from has no meaning without accept_proxy = v1, v2 or any\n");
    bad_listener("allow = {10.0.0.1/8, 10.0.0.0/33}\ndeny = example",
                 "f:2: listener web: allow = 10.0.0.1/8: the address has bits set beyond the "
                 "length; clear them, or "
                 "raise the length\n"
                 "f:2: listener web: allow = 10.0.0.0/33: the length after the \"/\" must be a "
                 "number from 0 to 32\n"
                 "f:3: listener web: deny = example: it does not begin with an IPv4 or IPv6 "
                 "address, as in 10.0.0.0/8 "
                 "or 2001:db8::/32\n");
    bad("listener web { address = srv:_a._tcp.b upstream = app }" APP,
        "f:1: listener web: address = srv:_a._tcp.b: the name of a service stands for servers, and "
        "cannot be "
        "listened on\n");
}

static void test_the_same_server_twice(void **state) {
    static const char *const pairs[][2] = {
        {"[::1]:82", "\"[0::1]:82\""},
        {"app.example:80", "APP.example:80"},
        {"unix:/run/a", "unix:/run/a"},
        {"srv:_http._tcp.x", "srv:_HTTP._tcp.x"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        char options[256];

        snprintf(options, sizeof(options),
                 "server z { address = 192.0.2.1:1 }\nserver a { weight = 2\n"
                 "address = \"%s\" } server b { address = %s }",
                 pairs[i][0], pairs[i][1]);
        bad_upstream(
            options,
            "f:5: upstream app: server b has the address of server a, on line 5; give that one "
            "more weight instead\n");
    }
    config_unref(good(WEB "upstream app { server a { address = a:1 } server b { address = a:2 } "
                          "server c { address = srv:_a._tcp.a } }\n"
                          "upstream b { server a { address = a:1 } }"));
    /* Two that are wrong, or not there, are not the same. */
    bad_upstream("server a { address = x }\nserver b { address = y }",
                 "f:3: upstream app: server a: address = x: the port is missing, as in name:80\n"
                 "f:4: upstream app: server b: address = y: the port is missing, as in name:80\n");
    bad_upstream(
        "server a { }\nserver b { }",
        "f:3: upstream app: server a: address must be given, as in address = \"127.0.0.1:80\"\n"
        "f:4: upstream app: server b: address must be given, as in address = \"127.0.0.1:80\"\n");
    bad_upstream("server a { address = a:1 }\nserver a { address = b:1 }",
                 "f:4: upstream app: server a is given twice; the first is on line 3\n");
}

static void test_source_address(void **state) {
    static const char *const reach[] = {"source_address = 127.0.0.1 server a { address = unix:/a }",
                                        "source_address = ::1 server a { address = a:1 }",
                                        "source_address = ::1 server a { address = \"[::1]:1\" }",
                                        "source_address = '' server a { address = \"[::1]:1\" }",
                                        "source_address = {} server a { address = \"[::1]:1\" }",
                                        ("source_address = {::1, 10.0.0.1} server a { address = "
                                         "\"[::1]:1\" } server b { address = 10.0.0.2:1 }")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(reach); i++) {
        char text[256];

        snprintf(text, sizeof(text), WEB "upstream app { %s }", reach[i]);
        config_unref(good(text));
    }
    bad_upstream("source_address = 127.0.0.1\nserver a { weight = 2\naddress = \"[::1]:1\" }",
                 "f:5: upstream app: source_address = 127.0.0.1 cannot reach server a: one is "
                 "IPv4, the other IPv6\n");
    bad_upstream(
        "source_address = {127.0.0.1, 127.0.0.2}\nserver a { address = \"[::1]:1\" }",
        "f:4: upstream app: source_address cannot reach server a: none of its addresses is "
        "IPv6\n");
    bad_upstream(
        SERVER "source_address = {10.0.0.2, \"10.0.0.3:80\",\n10.0.0.2, ::1,\n\"0:0::1\"}",
        "f:3: upstream app: source_address = 10.0.0.3:80: an IP address without a port is "
        "needed, as in 192.0.2.1 or 2001:db8::1\n"
        "f:4: upstream app: source_address: 10.0.0.2 is given twice; the first is on line 3\n"
        "f:5: upstream app: source_address: 0:0::1 is given twice; the first is on line 4\n");
    bad_upstream(SERVER "source_address = {10.0.0.2,\n\"\"}",
                 "f:4: upstream app: source_address: \"\" stands for the kernel's choice, and not "
                 "beside an address\n");
}

static void test_most_source_addresses(void **state) {
    char text[4096] = WEB "upstream app { source_address = {10.0.0.0";

    (void)state;
    for (int i = 1; i < SOURCES_MOST; i++)
        text_append(text, sizeof(text), ", 10.0.0.%d", i);
    char *more = strdup(text);
    text_append(text, sizeof(text), "} " SERVER "}");
    struct config *config = good(text);
    assert_int_equal(config->upstreams[0].source_address.n, SOURCES_MOST);
    config_unref(config);
    snprintf(text, sizeof(text), "%s, 10.0.0.200, 10.0.0.201} " SERVER "}", more);
    free(more);
    bad(text, "f:2: upstream app: source_address: 10.0.0.200: there may be 64 addresses at most\n");
}

static void test_prefixes_given_twice(void **state) {
    (void)state;
    bad_listener(
        "allow = {10.0.0.0/8,\n::1,\n10.0.0.0/8,\n\"10.0.0.0/8\",\n::1/128}",
        "f:4: listener web: allow: prefix 10.0.0.0/8 is given twice; the first is on line 2\n"
        "f:5: listener web: allow: prefix 10.0.0.0/8 is given twice; the first is on line 2\n"
        "f:6: listener web: allow: prefix ::1/128 is given twice; the first is on line 3\n");
    bad_listener(
        "deny = 192.0.2.1\ndeny += 192.0.2.1/32",
        "f:3: listener web: deny: prefix 192.0.2.1/32 is given twice; the first is on line 2\n");
    bad_listener("accept_proxy = any proxy_from = {10.0.0.0/8, ::/0,\n10.0.0.0/8}",
                 "f:3: listener web: proxy_from: prefix 10.0.0.0/8 is given twice; the first is on "
                 "line 2\n");
    config_unref(
        good("listener web { address = :80 upstream = app allow = {10.0.0.0/8, 10.0.0.0/9, ::/0}\n"
             "deny = {10.0.0.0/8} }" APP));
}

/* What follows from another error is not told. */
static void test_errors_come_alone(void **state) {
    (void)state;
    bad_listener("accept_proxy = v3 proxy_from = 10.0.0.0/8",
                 "f:2: listener web: accept_proxy = v3: must be off, v1, v2 or any\n");
    bad_listener("accept_proxy = v2 proxy_from = 10.0.0.0/33",
                 "f:2: listener web: proxy_from = 10.0.0.0/33: the length after the \"/\" must be "
                 "a number from 0 to "
                 "32\n");
    bad_upstream(SERVER "health_check { type = htp path = /x }",
                 "f:3: upstream app: health_check: type = htp: must be tcp, http, mysql, postgres, "
                 "redis, smtp or talk\n");
    config_unref(good(WEB "upstream app { " SERVER
                          "health_check { path = / host = '' expect = 200-399 } }"));
}

#define DIGITS_50 "01234567890123456789012345678901234567890123456789"
#define HUNDRED   DIGITS_50 DIGITS_50

static void test_texts_of_checks(void **state) {
    static const char *const fine[] = {
        "path = '/" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED "12345678901'", /* 512 */
        "host = '" HUNDRED HUNDRED DIGITS_50 "123'",                        /* 253 */
        "host = '[::1]:8080'",
        "expect = 100-599",
        "expect = \"100,200,300,400,500,101,202,303-303\"",
    };
    static const char status[] =
        "must be up to 8 statuses or ranges from 100 to 599 with \",\" between them, as in "
        "\"200-299,404\"";
    static const char path[] =
        "must be a path that begins with \"/\" and has no blanks or control characters";
    static const char host[] = "must be a host name, and may have a port";
    static const char user[] = "must be a user's name, without blanks or control characters";
    static const char bytes[] =
        "after \"\\\" only r, n, t, \\ or x and two hexadecimal digits are known";
    const struct {
        const char *name, *value, *why;
    } wrong[] = {
        {"path", "", path},
        {"path", "a/b", path},
        {"path", "/a b", path},
        {"path", "/\xc3\xa4", path},
        {"host", "a b", host},
        {"host", "\xc3\xa4.example", host},
        {"expect", "", status},
        {"expect", "99", status},
        {"expect", "600", status},
        {"expect", "20", status},
        {"expect", "2000", status},
        {"expect", "200-", status},
        {"expect", "-200", status},
        {"expect", "300-200", status},
        {"expect", "200-300-400", status},
        {"expect", "200,", status},
        {"expect", ",200", status},
        {"expect", "200, 300", status},
        {"expect", "2xx", status},
        {"expect", "101,102,103,104,105,106,107,108,109", status},
        {"user", "", user},
        {"user", "a b", user},
        {"user", DIGITS_50 "12345678901234", "must not be longer than 63 bytes"},
        {"send", "\\x1", bytes},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
        char text[1024];

        snprintf(text, sizeof(text),
                 WEB "upstream app { " SERVER "health_check { type = http %s } }", fine[i]);
        config_unref(good(text));
    }
    struct config *config = good(WEB "upstream app { " SERVER
                                     "health_check { type = talk send = "
                                     "'a\\r\\n' expect = '+PONG' } }");
    assert_string_equal(config->upstreams[0].health_check.send, "a\\r\\n");
    assert_true(pattern_found(config->upstreams[0].health_check.pattern, "+PONG", 5));
    config_unref(config);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        const char *value = wrong[i].value;
        char options[256], expected[512];

        const char *type = strcmp(wrong[i].name, "user") == 0   ? "mysql"
                           : strcmp(wrong[i].name, "send") == 0 ? "talk expect = a"
                                                                : "http";
        snprintf(options, sizeof(options), SERVER "health_check { type = %s %s = '%s' }", type,
                 wrong[i].name, value);
        snprintf(expected, sizeof(expected),
                 *value ? "f:3: upstream app: health_check: %s = %s: %s\n"
                        : "f:3: upstream app: health_check: %s = \"%s\": %s\n",
                 wrong[i].name, value, wrong[i].why);
        bad_upstream(options, expected);
    }
    bad_upstream(SERVER
                 "health_check { type = http path = '/" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
                 "123456789012' }",
                 "f:3: upstream app: health_check: path = "
                 "/012345678901234567890123456789012345678901234567890123456789012345678901234...:"
                 " must not be longer "
                 "than 512 bytes\n");
    bad_upstream(SERVER "health_check { type = http host = '" HUNDRED HUNDRED DIGITS_50 "1234' }",
                 "f:3: upstream app: health_check: host = "
                 "0123456789012345678901234567890123456789012345678901234567890123456789012345...:"
                 " must not be longer "
                 "than 253 bytes\n");
    bad_upstream(
        SERVER "health_check { type = http path = '/a\tb' }",
        "f:3: upstream app: health_check: path = /a\\x09b: must be a path that begins with "
        "\"/\" and has no blanks "
        "or control characters\n");
    bad_upstream(
        SERVER "health_check { expect = {200, 204} }",
        "f:3: upstream app: health_check: expect = {...}: must be one value, not a list\n");
}

static void test_bad_values(void **state) {
    static const struct {
        const char *option, *allowed;
    } upstream[] =
        {
            {"balance = turns",
             "must be round_robin, least_connections, source_hash, random_two or cookie"},
            {"max_fails = 1001", "must be a number from 0 to 1000"},
            {"fail_timeout = 9ms",
             "must be a duration from 10ms to 1h, such as 250ms, 5s, 10m or 1h"},
            {"send_proxy = any", "must be off, v1 or v2"},
            {"slow_start = 61m", "must be a duration from 0 to 1h, such as 250ms, 5s, 10m or 1h"},
            {"on_down = close", "must be keep or reset"},
            {"source_address = a",
             "an IP address without a port is needed, as in 192.0.2.1 or 2001:db8::1"},
        },
      server[] =
          {
              {"weight = 1.5", "must be a number from 0 to 1000"},
              {"backup = maybe", "must be true or false"},
              {"max_connections = 1000001", "must be a number from 0 to 1000000"},
          },
      health[] =
          {
              {"type = icmp", "must be tcp, http, mysql, postgres, redis, smtp or talk"},
              {"interval = 9ms",
               "must be a duration from 10ms to 1h, such as 250ms, 5s, 10m or 1h"},
              {"timeout = 0", "must be a duration from 1ms to 1h, such as 250ms, 5s, 10m or 1h"},
              {"rise = 101", "must be a number from 1 to 100"},
              {"fall = 0", "must be a number from 1 to 100"},
          },
      listener[] = {
          {"proxy_timeout = 0", "must be a duration from 1ms to 1h, such as 250ms, 5s, 10m or 1h"},
          {"max_connections = many", "must be a number from 0 to 1000000"},
          {"max_connections_per_client = 1000001", "must be a number from 0 to 1000000"},
          {"max_rate_per_client = 1/s", "must be a number from 0 to 1000000"},
      };
    char options[256], expected[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(upstream); i++) {
        snprintf(options, sizeof(options), SERVER "%s", upstream[i].option);
        snprintf(expected, sizeof(expected), "f:3: upstream app: %s: %s\n", upstream[i].option,
                 upstream[i].allowed);
        bad_upstream(options, expected);
    }
    for (size_t i = 0; i < ARRAY_LEN(server); i++) {
        snprintf(options, sizeof(options), "server a { address = a:1 %s }", server[i].option);
        snprintf(expected, sizeof(expected), "f:3: upstream app: server a: %s: %s\n",
                 server[i].option, server[i].allowed);
        bad_upstream(options, expected);
    }
    for (size_t i = 0; i < ARRAY_LEN(health); i++) {
        snprintf(options, sizeof(options), SERVER "health_check { %s }", health[i].option);
        snprintf(expected, sizeof(expected), "f:3: upstream app: health_check: %s: %s\n",
                 health[i].option, health[i].allowed);
        bad_upstream(options, expected);
    }
    for (size_t i = 0; i < ARRAY_LEN(listener); i++) {
        snprintf(expected, sizeof(expected), "f:2: listener web: %s: %s\n", listener[i].option,
                 listener[i].allowed);
        bad_listener(listener[i].option, expected);
    }
}

/* libconfuse meets sections without a title, too, in the order of the tree: each value goes to its
 * own. */
static void test_a_section_without_a_title(void **state) {
    struct config *config =
        good(WEB APP
             "upstream b { health_check { fall = 7 } server a { address = b:1 } server b { address "
             "= b:2 } }\n"
             "upstream c { server a { address = c:1 } }\n"
             "upstream d { server a { address = d:1 }\nhealth_check /* */ { # none\n}\n"
             "server b { address = d:2 } }\n"
             "upstream e { server a { address = e:1 } health_check { rise = 9 } }\n");

    (void)state;
    assert_int_equal(config->n_upstreams, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct health_check_config *check = &config->upstreams[i].health_check;

        assert_true(check->given == (i != 0 && i != 2));
        assert_int_equal(check->fall, i == 1 ? 7 : 3);
        assert_int_equal(check->rise, i == 4 ? 9 : 2);
        assert_string_equal(check->path, "/");
        assert_int_equal(config->upstreams[i].n_servers, i == 1 || i == 3 ? 2 : 1);
    }
    assert_int_equal(config->upstreams[3].health_check.line, 6);
    config_unref(config);

    bad_upstream(SERVER "\nhealth_check\n",
                 "f:6: syntax error: missing opening brace for section 'health_check'\n");
    bad_upstream(SERVER "\nhealth_check = 1\n",
                 "f:4: syntax error: missing opening brace for section 'health_check'\n");
    bad_upstream("server a { address = a:1\nhealth_check { } }",
                 "f:4: upstream app: server a: section \"health_check\" belongs in section "
                 "upstream; is a \"}\" "
                 "missing before it?\n");
    bad_upstream(SERVER "health_check { \nserver b { address = b:1 } }",
                 "f:4: upstream app: health_check: section \"server\" belongs in section upstream; "
                 "is a \"}\" missing "
                 "before it?\n");
}

static void test_arguments_have_the_defaults(void **state) {
    char *errors = NULL;
    struct config *config = config_from_arguments(NULL, "localhost:1", collect, &errors);

    (void)state;
    assert_non_null(config);
    assert_int_equal(config->upstreams[0].source_address.n, 0);
    assert_int_equal(config->upstreams[0].max_fails, 3);
    assert_int_equal(config->upstreams[0].servers[0].weight, 1);
    assert_false(config->upstreams[0].health_check.given);
    assert_string_equal(config->upstreams[0].health_check.path, "/");
    assert_int_equal(config->upstreams[0].health_check.n_expected, 1);
    assert_null(config->listeners[0].access);
    config_unref(config);
}

/* The choices of balance are the rows of the table of balancers, in its order. */
static void test_balance_choices(void **state) {
    static const char names[] =
#define BALANCE(name, help) "|" #name
#include "upstream/balances.def"
#undef BALANCE
        ;

    (void)state;
    assert_string_equal(option_infos[OPT_upstream_balance].choices, names + 1);
}

static void test_servers_that_are_relayd_itself(void **state) {
    static const char self[] =
        " is listener web of this relayd itself: its connections would come "
        "back for ever\n";
    static const char *const pairs[][2] = {
        {":80", "127.0.0.1:80"},
        {":80", "0.0.0.0:80"},
        {"1.2.3.4:80", "[::ffff:1.2.3.4]:80"},
        {"[fe80::1%d0]:80", "[fe80::1%d0]:80"},
        {":80", "[::1]:80"},
        {"0.0.0.0:80", "127.0.0.9:80"},
        {"[::]:80", "0.0.0.0:80"},
        {"10.0.0.1:80", "10.0.0.1:80"},
        {"unix:/a", "unix:/a"},
        {"127.0.0.1:80", "0.0.0.0:80"},
    };
    static const char *const fine[][2] = {
        {":80", "127.0.0.1:81"},    {":80", "10.0.0.1:80"}, {"127.0.0.2:80", "127.0.0.1:80"},
        {"0.0.0.0:80", "[::1]:80"}, {"unix:/a", "unix:/b"}, {"127.0.0.2:80", "0.0.0.0:80"},
    };
    char text[256], error[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        snprintf(text, sizeof(text),
                 "listener web { address = \"%s\" upstream = app }\nupstream app { server a {\n"
                 "address = \"%s\" } }",
                 pairs[i][0], pairs[i][1]);
        snprintf(error, sizeof(error), "f:3: upstream app: server a%s", self);
        bad(text, error);
    }
    for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
        snprintf(text, sizeof(text),
                 "listener web { address = \"%s\" upstream = app }\nupstream app { server a { "
                 "address = \"%s\" } }",
                 fine[i][0], fine[i][1]);
        config_unref(good(text));
    }
    /* A ring, and a chain. */
    bad("listener web { address = :81 upstream = one }\nlistener two { address = :82 upstream = "
        "two "
        "}\nupstream one { server a { address = 127.0.0.1:82 } }\n"
        "upstream two { server b { address = 127.0.0.1:81 } }",
        "f:3: upstream one: server a is listener two of this relayd itself: its connections would "
        "come back for ever\n"
        "f:4: upstream two: server b is listener web of this relayd itself: its connections would "
        "come back for ever\n");
    config_unref(good(
        "listener web { address = :81 upstream = one } listener two { address = :82 upstream = two "
        "} upstream one { server a { address = 127.0.0.1:82 } } upstream two { server b { address "
        "= 127.0.0.1:83 } }"));
    /* Two rings with a way between them, which is part of neither. */
    bad("listener l1 { address = :81 upstream = u1 } listener l2 { address = :82 upstream = u2 }\n"
        "upstream u1 { server a { address = 127.0.0.1:81 } server b { address = 127.0.0.1:82 } }\n"
        "upstream u2 { server c { address = 127.0.0.1:82 } }",
        "f:2: upstream u1: server a is listener l1 of this relayd itself: its connections would "
        "come back for ever\n"
        "f:3: upstream u2: server c is listener l2 of this relayd itself: its connections would "
        "come back for ever\n");
}

/* Only then is an answer to a check judged as mode http judges it. */
static void test_upstreams_of_mode_http(void **state) {
    static const struct {
        const char *listener;
        bool own, other;
    } cases[] = {
        {"address = :80 upstream = own", false, false},
        {"address = :80 upstream = own mode = http", true, false},
        {"address = :80 upstream = own mode = http route a.b { upstream = other }", true, true},
        {"address = :80 mode = http route a.b { upstream = other }", false, true},
        {"address = :80 mode = http upstream = own route a.b { redirect = https }", true, false},
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(text, sizeof(text),
                 "listener web { %s }\nlistener b { address = :81 upstream = own }\n"
                 "upstream own { " SERVER "}\nupstream other { " SERVER "}\n",
                 cases[i].listener);
        struct config *config = good(text);
        if (config->upstreams[0].serves_http != cases[i].own ||
            config->upstreams[1].serves_http != cases[i].other)
            fail_msg("%s", cases[i].listener);
        config_unref(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_dump_loads_again),
        cmocka_unit_test(test_errors_of_upstreams),
        cmocka_unit_test(test_upstreams_that_are_drained),
        cmocka_unit_test(test_what_is_in_vain),
        cmocka_unit_test(test_errors_of_health_checks),
        cmocka_unit_test(test_errors_of_listeners),
        cmocka_unit_test(test_servers_that_are_relayd_itself),
        cmocka_unit_test(test_the_same_server_twice),
        cmocka_unit_test(test_source_address),
        cmocka_unit_test(test_most_source_addresses),
        cmocka_unit_test(test_prefixes_given_twice),
        cmocka_unit_test(test_errors_come_alone),
        cmocka_unit_test(test_texts_of_checks),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_a_section_without_a_title),
        cmocka_unit_test(test_arguments_have_the_defaults),
        cmocka_unit_test(test_balance_choices),
        cmocka_unit_test(test_upstreams_of_mode_http),
    };

    return cmocka_run_group_tests_name("config_upstream", tests, NULL, NULL);
}
