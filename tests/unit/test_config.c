/* Configuration files that are right: what they become, and the way back to a file. */
#include "config_text.h"

#include "base/log.h"
#include "base/thread.h"
#include "config/options.h"

static char *dump_of(const struct config *config, bool changed) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    config_dump(config, changed, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static char *dump(const struct config *config) {
    return dump_of(config, false);
}

static void test_defaults_are_the_tables(void **state) {
    struct config *config = good(WEB APP);
    const void *bases[SECTION_COUNT] = {
        [SECTION_GLOBAL] = &config->global,
        [SECTION_LISTENER] = &config->listeners[0],
        [SECTION_UPSTREAM] = &config->upstreams[0],
        [SECTION_SERVER] = &config->upstreams[0].servers[0],
        [SECTION_HEALTH_CHECK] = &config->upstreams[0].health_check,
        [SECTION_STATUS] = &config->status,
        [SECTION_LISTENER_TLS] = &config->listeners[0].tls,
        [SECTION_UPSTREAM_TLS] = &config->upstreams[0].tls,
        [SECTION_ROUTE] = &config->listeners[0].own,
    };

    (void)state;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_info *row = &option_infos[i];
        char got[OPTIONS_TEXT_MAX], expected[OPTIONS_TEXT_MAX];
        union {
            struct global_config global;
            struct listener_config listener;
            struct upstream_config upstream;
            struct server_config server;
            struct health_check_config health_check;
            struct listener_tls_config listener_tls;
            struct upstream_tls_config upstream_tls;
            struct route_config route;
        } values;

        if (!options_is_scalar(row))
            continue;
        assert_true(options_parse(row, row->default_text, &values));
        assert_string_equal(options_format(row, bases[row->section], got, sizeof got),
                            options_format(row, &values, expected, sizeof expected));
    }
    assert_int_equal(config->global.workers, 8);
    assert_int_equal(config->listeners[0].idle_timeout, 600 * USEC_PER_SEC);
    assert_int_equal(config->upstreams[0].connect_timeout, 5 * USEC_PER_SEC);
    assert_int_equal(config_log_level(config), LOG_LEVEL_INFO);
    config_unref(config);
}

static void test_sections_and_values(void **state) {
    struct config *config = good(
        "workers = 3 log_level = error\n"
        "listener one { address = {:81, 'systemd',\n"
        "  \"unix:/x y\" } upstream = \"b\" }\n"
        "upstream a { server s1 { address = app.example:1 } }\n"
        "listener two.2-x_ { upstream = a address = 82 copy = splice }\n"
        "upstream b { connect_attempts = 7 server s2 {\n"
        "  address = unix:/run/b } }\n");

    (void)state;
    assert_int_equal(config->global.workers, 3);
    assert_int_equal(config_log_level(config), LOG_LEVEL_ERROR);
    assert_int_equal(config->n_listeners, 2);
    assert_string_equal(config->listeners[0].name, "one");
    assert_int_equal(config->listeners[0].line, 2);
    assert_int_equal(config->listeners[0].upstream, 1);
    assert_int_equal(config->listeners[0].n_address, 3);
    assert_string_equal(config->listeners[0].address[0].text, ":81");
    assert_false(config->listeners[0].address[0].systemd);
    assert_int_equal(config->listeners[0].address[0].spec.form, ADDR_ANY);
    assert_true(config->listeners[0].address[1].systemd);
    assert_string_equal(config->listeners[0].address[2].text, "unix:/x y");
    assert_string_equal(config->listeners[1].name, "two.2-x_");
    assert_int_equal(config->listeners[1].upstream, 0);
    assert_int_equal(config->listeners[1].copy, COPY_SPLICE);
    assert_int_equal(config->n_upstreams, 2);
    assert_int_equal(config->upstreams[1].connect_attempts, 7);
    assert_int_equal(config->upstreams[1].n_servers, 1);
    assert_string_equal(config->upstreams[1].servers[0].name, "s2");
    assert_string_equal(config->upstreams[1].servers[0].address_text, "unix:/run/b");
    assert_int_equal(config->upstreams[0].servers[0].address.form, ADDR_NAME);
    config_unref(config);
}

static void test_words_without_quotes(void **state) {
    static const char *const words[] = {"127.0.0.1:80", ":80",         "80",        "[::]:80",
                                        "localhost:80", "unix:/run/x", "unix:/a//b"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        char text[256];
        struct config *config;

        snprintf(text, sizeof text, "listener web { address = %s upstream = app }" APP, words[i]);
        config = good(text);
        assert_string_equal(config->listeners[0].address[0].text, words[i]);
        config_unref(config);
    }
}

static void test_comments_and_blanks(void **state) {
    (void)state;
    config_unref(
        good("\xef\xbb\xbf# first\n#\n//\n/**/ /* a\n * \"b\n */\n\tworkers = 2 // two\r\n" WEB
             "upstream app { # in a section\n server /* x */ a # y\n"
             "{ address = /* z */\n\n 10.0.0.9:80 } }"));
    config_unref(
        good("listener web { address = { # in a list\n :80, // one\n :81 /* two */ }\n"
             "address += :82 upstream = app }" APP));
}

static void test_dump_loads_again(void **state) {
    struct config *config = good(
        "workers = 77 queue_timeout = 1500ms when_full = reject drain_timeout = 0\n"
        "listener web { address = {\":80\", 'unix:/a\"b\\c${d}', systemd} upstream = b\n"
        "  mode = http half_close = true copy = buffer idle_timeout = 0 keepalive = 90s }\n" APP
        "upstream b { server x { address = unix:/y } resolve_interval = 100ms }");
    char *first = dump(config), *second;

    (void)state;
    config_unref(config);
    config = good(first);
    second = dump(config);
    assert_string_equal(first, second);
    assert_int_equal(config->global.workers, 77);
    assert_int_equal(config->global.queue_timeout, 1500 * USEC_PER_MSEC);
    assert_string_equal(config->listeners[0].address[1].text, "unix:/a\"b\\c${d}");
    assert_true(config->listeners[0].address[2].systemd);
    assert_int_equal(config->listeners[0].upstream, 1);
    config_unref(config);
    free(first);
    free(second);
}

/* What is left out is as it is without it. */
static void dumps_changed(const char *text, const char *expected) {
    struct config *config = good(text), *again;
    char *changed = dump_of(config, true), *whole = dump(config), *whole_again;

    assert_string_equal(changed, expected);
    again = good(changed);
    whole_again = dump(again);
    assert_string_equal(whole_again, whole);
    config_unref(config);
    config_unref(again);
    free(changed);
    free(whole);
    free(whole_again);
}

static void test_dump_of_what_was_changed(void **state) {
    (void)state;
    dumps_changed(WEB APP,
                  "listener web {\n    address = {\":80\"}\n    upstream = app\n}\n\n"
                  "upstream app {\n    server a {\n        address = \"10.0.0.9:80\"\n    }\n}\n");
    dumps_changed(
        "workers = 8 queue_timeout = 10000ms log_level = debug keeper = off instance = ''\n"
        "listener web { address = :80 upstream = app keepalive = 1m allow = {}\n"
        "  deny = 10.0.0.0/8 half_close = yes socket_mode = 0666 }\n"
        "upstream app { source_address = '' balance = random_two server a {\n"
        "  address = 10.0.0.9:80 weight = 2 backup = false } health_check { } }",
        "log_level = debug\nkeeper = \"off\"\n\n"
        "listener web {\n    address = {\":80\"}\n    upstream = app\n"
        "    half_close = true\n    deny = {\"10.0.0.0/8\"}\n}\n\n"
        "upstream app {\n    balance = random_two\n    server a {\n"
        "        address = \"10.0.0.9:80\"\n        weight = 2\n    }\n"
        "    health_check {\n    }\n}\n");
    dumps_changed(WEB
                  "upstream app { source_address = 10.0.0.1 server a { address = 10.0.0.9:80 }\n"
                  "health_check { type = talk expect = 200-399 } }",
                  "listener web {\n    address = {\":80\"}\n    upstream = app\n}\n\n"
                  "upstream app {\n    source_address = {\"10.0.0.1\"}\n    server a {\n"
                  "        address = \"10.0.0.9:80\"\n    }\n    health_check {\n"
                  "        type = talk\n        expect = \"200-399\"\n    }\n}\n");
}

static void test_summary(void **state) {
    struct config *config = good(
        "listener web { address = {:80, \"unix:/run/w\"} upstream = app mode = http }\n"
        "listener raw { address = systemd upstream = one }\n"
        "upstream app { server a { address = 10.0.0.9:80 } server b { address = b.example:80\n"
        "  weight = 0 backup = true } balance = least_connections health_check { type = redis } }\n"
        "upstream one { server s { address = unix:/run/s } }\n");
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_non_null(out);
    config_summarize(config, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text,
                        "listener web: :80, unix:/run/w; mode http; upstream app\n"
                        "listener raw: systemd; mode tcp; upstream one\n"
                        "upstream app: least_connections; 2 servers; health check redis "
                        "every 2s\n"
                        "    server a: 10.0.0.9:80; weight 1\n"
                        "    server b: b.example:80; weight 0; backup\n"
                        "upstream one: round_robin; 1 server; no health checks\n"
                        "    server s: unix:/run/s; weight 1\n");
    config_unref(config);
    free(text);
}

#define ROUTED "listener routed { address = :82 mode = http upstream = app route /a/ { } }\n"

static void test_dump_has_every_option(void **state) {
    bool tls = has_tls();
    struct config *config =
        good(tls ? WEB ROUTED
                 "status { address = 127.0.0.1:9000 }\n"
                 "upstream app { server a { address = \"[::]:81\" } health_check { } tls { } }"
                 : WEB ROUTED
                 "status { address = 127.0.0.1:9000 }\n"
                 "upstream app { server a { address = \"[::]:81\" } health_check { } }");
    char *text = dump(config);

    (void)state;
    assert_non_null(strstr(text, "status {\n    address = {\"127.0.0.1:9000\"}\n"));
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        char line[64];

        if (option_infos[i].section == SECTION_LISTENER_TLS)
            continue; /* needs files: tests/functional/test_06_tls_certificates.py */
        if (option_infos[i].section == SECTION_UPSTREAM_TLS && !tls)
            continue;
        snprintf(line, sizeof line, "%s = ", option_infos[i].name);
        assert_non_null(strstr(text, line));
    }
    config_unref(config);
    free(text);
}

static void test_the_sample_is_the_defaults(void **state) {
    char *errors = NULL, *got, *expected;
    struct config *sample = config_load(SOURCE_ROOT "/conf/relayd.conf", collect, &errors), *plain;
    char text[512];

    (void)state;
    if (!sample)
        fail_msg("%s", errors);
    assert_int_equal(sample->n_listeners, 1);
    assert_int_equal(sample->n_upstreams, 1);
    snprintf(text, sizeof text,
             "listener %s { address = '%s' upstream = %s }\nupstream %s { server %s { address = "
             "'%s' } health_check { } }",
             sample->listeners[0].name, sample->listeners[0].address[0].text,
             sample->upstreams[0].name, sample->upstreams[0].name,
             sample->upstreams[0].servers[0].name, sample->upstreams[0].servers[0].address_text);
    plain = good(text);
    got = dump(sample);
    expected = dump(plain);
    assert_string_equal(got, expected);
    free(got);
    free(expected);
    config_unref(sample);
    config_unref(plain);
}

static void test_arguments(void **state) {
    char *errors = NULL;
    struct config *config = config_from_arguments(NULL, "localhost:3000", collect, &errors);

    (void)state;
    assert_non_null(config);
    assert_int_equal(config->listeners[0].soonest_timeout, 10 * USEC_PER_SEC); /* head_timeout */
    assert_string_equal(config->listeners[0].name, "web");
    assert_string_equal(config->listeners[0].address[0].text, ":8080");
    assert_int_equal(config->listeners[0].mode, MODE_HTTP);
    assert_int_equal(config->listeners[0].upstream, 0);
    assert_string_equal(config->upstreams[0].name, "app");
    assert_string_equal(config->upstreams[0].servers[0].name, "a");
    assert_string_equal(config->upstreams[0].servers[0].address.name, "localhost");
    assert_string_equal(config->path, "command line");
    config_unref(config);

    config = config_from_arguments("unix:/tmp/x", "unix:/tmp/y", collect, &errors);
    assert_non_null(config);
    config_unref(config);
    assert_null(errors);
    assert_null(config_from_arguments("x", "8080", collect, &errors));
    assert_string_equal(errors,
                        "--listen: x: the port is missing, as in name:80\n"
                        "--proxy: 8080: the host is missing, as in 127.0.0.1:80\n");
    free(errors);
}

static void test_references(void **state) {
    struct config *config = good(WEB APP);

    (void)state;
    assert_ptr_equal(config_ref(config), config);
    config_unref(config);
    assert_int_equal(config->n_listeners, 1);
    config_unref(config);
    config_unref(NULL);
}

static void load_often(void *arg) {
    char *errors = NULL;

    for (int i = 0; i < 300; i++)
        config_unref(config_load_buffer("relayd.conf", WEB APP, strlen(WEB APP), collect, &errors));
    *(bool *)arg = errors == NULL;
    free(errors);
}

/* As a reload and a check that somebody asks for do. libconfuse has one lexer for all. */
static void test_several_at_once(void **state) {
    struct thread threads[3] = {0};
    bool good[3] = {false};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(thread_start(&threads[i], "reader", NULL, load_often, &good[i]), 0);
    for (size_t i = 0; i < 3; i++) {
        thread_join(&threads[i]);
        assert_true(good[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_the_tables),
        cmocka_unit_test(test_sections_and_values),
        cmocka_unit_test(test_words_without_quotes),
        cmocka_unit_test(test_comments_and_blanks),
        cmocka_unit_test(test_dump_loads_again),
        cmocka_unit_test(test_dump_of_what_was_changed),
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_dump_has_every_option),
        cmocka_unit_test(test_the_sample_is_the_defaults),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_several_at_once),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
