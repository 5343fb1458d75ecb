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
    bad("listener web { address = :80 upstream = app mode = http\n"
        "proxy_set_header Host $host;\n}\n" APP,
        "f:2: listener web: \"proxy_set_header\" is a word of nginx; here it is set_request; "
        "X-Forwarded-For and the like are there without it\n");
    bad("listener web { address = :80 upstream = app mode = http\nlocation /x/ {\n} }\n" APP,
        "f:2: listener web: \"location\" is a word of nginx; here it is a route by path, as in "
        "route \"/api/\" { upstream = api }\n");
    bad("http-request set-header X a\n" WEB APP,
        "f:1: \"http-request\" is a word of HAProxy; here it is set_request, add_request, "
        "remove_request or redirect\n");
    bad("workers = 8 ;\n" WEB APP, "f:1: no \";\" ends anything here: leave it out\n");
    bad("workers = 8;\n" WEB APP,
        "f:1: workers = 8;: must be a number from 1 to 1024; no \";\" ends it\n");
}

static void means(const char *where, const char *written, const char *why) {
    char text[512], expected[512];

    if (strcmp(where, "listener web: tls") == 0)
        snprintf(text, sizeof text, "listener web { address = :80 upstream = app tls {\n%s } }" APP,
                 written);
    else if (strcmp(where, "listener web") == 0)
        snprintf(text, sizeof text, "listener web { address = :80 upstream = app\n%s }" APP,
                 written);
    else if (strcmp(where, "upstream app: tls") == 0)
        snprintf(text, sizeof text,
                 WEB "upstream app { server a { address = \"10.0.0.9:80\" } tls {%s } }", written);
    else
        snprintf(text, sizeof text,
                 WEB "upstream app { server a { address = \"10.0.0.9:80\" %s } }", written);
    snprintf(expected, sizeof expected, "%sf:2: %s: %s\n%s",
             strcmp(where, "listener web: tls") == 0
                 ? "f:1: listener web: tls: certificate must be given, as in certificate = "
                   "\"/etc/relayd/tls/site.pem\"\n"
                 : "",
             where, why,
             strcmp(where, "upstream app: tls") == 0 && !has_tls()
                 ? "f:2: upstream app: tls: this relayd was built without TLS (meson -Dtls)\n"
                 : "");
    bad(text, expected);
}

static void test_words_of_tls_in_a_listener(void **state) {
    static const struct {
        const char *written, *meant;
    } words[] = {
        {"crt", "certificate"},
        {"cert", "certificate"},
        {"pem-file", "certificate"},
        {"ssl_certificate", "certificate"},
        {"keyfile", "key"},
        {"ssl_certificate_key", "key"},
        {"ca_file", "ca"},
        {"ca-file", "ca"},
        {"client-ca-file", "ca"},
        {"ssl_client_certificate", "ca"},
        {"ssl_trusted_certificate", "ca"},
        {"crl-file", "crl"},
        {"ssl_crl", "crl"},
        {"verify", "verify_client"},
        {"ssl_verify_client", "verify_client"},
        {"ssl_ciphers", "ciphers"},
        {"ciphersuites", "ciphers"},
        {"ssl_protocols", "min_version"},
        {"ssl-min-ver", "min_version"},
        {"tls-protos", "min_version"},
        {"curves", "groups"},
        {"ssl_ecdh_curve", "groups"},
        {"alpn-protos", "alpn"},
        {"http2", "alpn"},
        {"tls-ticket-keys", "ticket_keys"},
        {"ssl_session_tickets", "tickets"},
    };
    char text[64], why[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        snprintf(text, sizeof text, "%s = x", words[i].written);
        snprintf(why, sizeof why, "unknown option \"%s\"; did you mean %s?", words[i].written,
                 words[i].meant);
        means("listener web: tls", text, why);
        snprintf(why, sizeof why, "unknown option \"%s\"; did you mean %s in section tls?",
                 words[i].written, words[i].meant);
        means("listener web", text, why);
    }
    means("listener web: tls", "ssl_dhparam = x",
          "unknown option \"ssl_dhparam\": it is not needed: keys are agreed on by groups (ECDHE) "
          "alone");
    means("listener web: tls", "name = x",
          "unknown option \"name\": names are those in the certificates; route \"sni:NAME\" parts "
          "clients by name");
    means("listener web", "ssl = on",
          "unknown option \"ssl\": a section is what makes it so: tls { certificate = \"FILE\" }");
    means("listener web", "certificate = x", "option \"certificate\" belongs in section tls");
    means("listener web", "outlive = false", "option \"outlive\" belongs in section tls");
    means("listener web: tls", "outlives = false",
          "unknown option \"outlives\"; did you mean outlive?");
}

static void test_words_of_tls_in_an_upstream(void **state) {
    (void)state;
    means("upstream app: tls", "verify_client = required",
          "unknown option \"verify_client\"; did you mean verify?");
    means("upstream app: tls", "ca-file = x", "unknown option \"ca-file\"; did you mean ca?");
    means("upstream app: tls", "sni = x", "unknown option \"sni\"; did you mean name?");
    means("upstream app: tls", "proxy_ssl_name = x",
          "unknown option \"proxy_ssl_name\"; did you mean name?");
    means("upstream app: tls", "ciphers = x",
          "unknown option \"ciphers\": servers are offered all suites that relayd has");
    means("upstream app: server a", "verify = none",
          "option \"verify\" belongs in section tls of an upstream");
    means("upstream app: server a", "outlive = false", "option \"outlive\" belongs in section tls");
    means("upstream app: tls", "outlives = x",
          "unknown option \"outlives\"; did you mean outlive?");
    means("upstream app: server a", "ca-file = x",
          "unknown option \"ca-file\"; did you mean ca in section tls of its upstream?");
    means("upstream app: server a", "ssl = true",
          "unknown option \"ssl\": a section is what makes it so: tls {}");
    bad("min_version = 1.2\n" WEB APP,
        "f:1: option \"min_version\" belongs in section tls of a listener\n");
    bad("verify = true\n" WEB APP,
        "f:1: option \"verify\" belongs in section tls of an upstream\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_typographic_quotes),
        cmocka_unit_test(test_no_break_space),
        cmocka_unit_test(test_several_addresses_in_one),
        cmocka_unit_test(test_what_is_no_host),
        cmocka_unit_test(test_files_of_others),
        cmocka_unit_test(test_words_of_tls_in_a_listener),
        cmocka_unit_test(test_words_of_tls_in_an_upstream),
    };

    return cmocka_run_group_tests_name("config_hints", tests, NULL, NULL);
}
