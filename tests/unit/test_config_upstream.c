/* The options of a production site: several servers, checks, PROXY protocol, access, limits. */
#include "config_text.h"

#include "base/proxy_protocol.h"
#include "config/options.h"
#include "upstream/balance.h"

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
    assert_int_equal(app->source.len, 0);
    assert_string_equal(app->source_address, "");
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
    assert_int_equal(app->source.u.sa.sa_family, AF_INET);
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

        config_dump(config, out);
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
    bad_upstream("server a { address = a:1 weight = 0 } server b { address = b:1 backup = true }",
                 "f:2: upstream app: no server would take new connections: one that is no backup "
                 "must have a weight "
                 "above 0\n");
    bad_upstream("server a { address = a:1 weight = 1001 }",
                 "f:3: upstream app: server a: weight = 1001: must be a number from 0 to 1000\n");
    bad_upstream("server a { address = srv:http.tcp.x }",
                 "f:3: upstream app: server a: address = srv:http.tcp.x: the name of a service is "
                 "written as "
                 "srv:_http._tcp.app.example\n");
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
                 "with \",\" between them, as in 200-299,404\n");
    bad_upstream(
        SERVER "health_check { type = http host = \"a b\" rise = 0 }",
        "f:3: upstream app: health_check: host = a b: must be a host name, and may have a port\n"
        "f:3: upstream app: health_check: rise = 0: must be a number from 1 to 100\n");
    bad_upstream(SERVER "health_check { title = 1 }",
                 "f:3: upstream app: health_check: unknown option \"title\"; known here: type, "
                 "interval, timeout, rise, "
                 "fall, path, host, expect\n");
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_dump_loads_again),
        cmocka_unit_test(test_errors_of_upstreams),
        cmocka_unit_test(test_errors_of_health_checks),
        cmocka_unit_test(test_errors_of_listeners),
        cmocka_unit_test(test_balance_choices),
    };

    return cmocka_run_group_tests_name("config_upstream", tests, NULL, NULL);
}
