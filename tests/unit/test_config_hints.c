/* What is said to those who come from elsewhere: from a web page, nginx or HAProxy. */
#include "config_text.h"

#define QUOTES  "a typographic quote (U+201C) stands here; write \" in its place\n"
#define OF_FILE "; relayd.conf(5), FROM NGINX AND HAPROXY, has a file of each translated\n"

static void test_typographic_quotes(void **state) {
    (void)state;
    bad("listener web { upstream = app\naddress = “127.0.0.1:80” }" APP, "f:2: " QUOTES);
    bad("listener web { upstream = app address = {“:80”,\n“:81”} }" APP,
        "f:1: " QUOTES "f:2: " QUOTES);
    bad("log_level = ‘info’\nworkers = 0\n" WEB APP,
        "f:1: a typographic quote (U+2018) stands here; write \" in its place\n"
        "f:2: workers = 0: must be a number from 1 to 1024\n");
    bad("log_level = “info\"\n" WEB APP, "f:1: " QUOTES);
    bad("log_level = “info'\n" WEB APP, "f:1: " QUOTES);
    bad("log_level = “info\n" WEB APP, "f:1: " QUOTES);
    bad("log_level = info”\n" WEB APP,
        "f:1: a typographic quote (U+201D) stands here; write \" in its place\n");
    bad("\nlog_level = \"info”\n" WEB APP,
        "f:2: the quote is not closed on its line: a typographic one (U+201C, U+201D, U+2018, "
        "U+2019) does not close it\n");
    config_unref(good("# “comments” may have ‘them’\xc2\xa0\n" WEB APP));
}

static void test_no_break_space(void **state) {
    (void)state;
    bad("workers\xc2\xa0=\xc2\xa0"
        "3\n\xc2\xa0\xc2\xa0queue_size = 3\n" WEB APP,
        "f:1: a no-break space (U+00A0) stands here; write a blank in its place\n"
        "f:2: a no-break space (U+00A0) stands here; write a blank in its place\n");
}

static void listens(const char *address, const char *why) {
    char text[512], expected[512];

    snprintf(text, sizeof text, "listener web { address = \"%s\" upstream = app }" APP, address);
    snprintf(expected, sizeof expected, "f:1: listener web: address = %s: %s\n", address, why);
    bad(text, expected);
}

static void serves(const char *address, const char *why) {
    char text[512], expected[512];

    snprintf(text, sizeof text, WEB "upstream app { server a { address = \"%s\" } }", address);
    snprintf(expected, sizeof expected, "f:2: upstream app: server a: address = %s: %s\n", address,
             why);
    bad(text, expected);
}

static void test_several_addresses_in_one(void **state) {
    static const char list[] =
        "several addresses are a list, as in {\"127.0.0.1:80\", \"[::1]:80\"}";

    (void)state;
    listens("127.0.0.1:80, [::1]:80", list);
    listens("127.0.0.1:80 unix:/run/a.sock", list);
    listens(":80,:81", list);
    listens("80 default_server", "the port is missing, as in name:80");
    serves("10.0.0.1:80, 10.0.0.2:80",
           "a server has one address: give each other one a server section of its own");
    config_unref(good("listener web { address = \"unix:/run/a b, c\" upstream = app }" APP));
}

static void test_what_is_no_host(void **state) {
    static const char path[] =
        "the path of a unix socket stands after \"unix:\", as in unix:/run/app.sock";
    static const char interface[] =
        "this is an interface; write one of its addresses, as in 192.0.2.1:80, or the port alone, "
        "as in :80, for all of them";

    (void)state;
    listens("/run/x.sock", path);
    serves("/run/x.sock", path);
    serves("unix@/run/x.sock", path);
    listens("fd:3",
            "descriptors have no numbers here: \"systemd\" is the sockets that are passed "
            "under this listener's name");
    serves("fd@3", "a descriptor is no server; write its address, as in 127.0.0.1:80");
    listens("eth0:8080", interface);
    listens("enp3s0f1:80", interface);
    listens("lo:80", interface);
    config_unref(
        good("listener web { address = {bridge:1, ether:2, brno1:3, eth0.example:4, "
             "enp:5, lo.example:6} upstream = app }" APP));
}

static void test_files_of_others(void **state) {
    (void)state;
    bad("global\n    maxconn 4096\nfrontend web\n    bind *:80\n",
        "f:1: \"global\" is a word of HAProxy" OF_FILE);
    bad("frontend web\n    bind :80\n", "f:1: \"frontend\" is a word of HAProxy" OF_FILE);
    bad("worker_processes 4;\nevents { worker_connections 1024; }\n",
        "f:1: \"worker_processes\" is a word of nginx" OF_FILE);
    bad("server {\n    listen 80;\n    location / { proxy_pass http://app; }\n}\n" WEB APP,
        "f:1: \"server {\" is of nginx; relayd.conf(5), FROM NGINX AND HAPROXY, has such a file "
        "translated\n");
    bad(WEB "upstream app {\n    server 10.0.0.1:80;\n}\n",
        "f:3: upstream app: a server is a section with a title, as in server a { address = "
        "\"127.0.0.1:80\" }; a line as in nginx or HAProxy is none\n");
    bad("listener web {\n    bind = :80\n    address = :80 upstream = app }\n" APP,
        "f:2: listener web: \"bind\" is a word of HAProxy" OF_FILE);
    bad("user www-data;\nworker_processes auto;\n", "f:1: \"user\" is a word of nginx" OF_FILE);
    bad("stream {\n}\n" WEB APP, "f:1: \"stream\" is a word of nginx" OF_FILE);
    bad("workers = 8 ;\n" WEB APP, "f:1: no \";\" ends anything here: leave it out\n");
    bad("workers = 8;\n" WEB APP,
        "f:1: workers = 8;: must be a number from 1 to 1024; no \";\" ends it\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_typographic_quotes),       cmocka_unit_test(test_no_break_space),
        cmocka_unit_test(test_several_addresses_in_one), cmocka_unit_test(test_what_is_no_host),
        cmocka_unit_test(test_files_of_others),
    };

    return cmocka_run_group_tests_name("config_hints", tests, NULL, NULL);
}
