/* Configuration files that are wrong: every error, with its line. */
#include "config_text.h"

#include <sys/stat.h>
#include <unistd.h>

static void test_lines_survive_comments(void **state) {
    (void)state;
    bad("# one\n/* two\n three */ /* still three */\n\n// five\nworkers = 0\n" WEB APP,
        "f:6: workers = 0: must be a number from 1 to 1024\n");
    bad("listener web {\n  upstream = app\n  address = {\n    :80, # a\n    /* b */\n    :x\n  "
        "}\n}\n" APP,
        "f:6: listener web: address = :x: the port must be a number from 1 to 65535\n");
}

static void test_values(void **state) {
    (void)state;
    bad("queue_size = 0\n" WEB APP, "f:1: queue_size = 0: must be a number from 1 to 1000000\n");
    bad("queue_size = \"\"\n" WEB APP,
        "f:1: queue_size = \"\": must be a number from 1 to 1000000\n");
    bad("\nqueue_timeout = 61m\n" WEB APP,
        "f:2: queue_timeout = 61m: must be a duration from 1ms to 1h, such as 250ms, 5s, 10m or "
        "1h\n");
    bad("when_full = drop\n" WEB APP, "f:1: when_full = drop: must be wait or reject\n");
    bad("workers = {1, 2}\n" WEB APP,
        "f:1: workers = {...}: must be a number from 1 to 1024, not a list\n");
    bad("listener web {\naddress = :80\nupstream = app\ncopy = fast\nhalf_close = maybe }\n" APP,
        "f:4: listener web: copy = fast: must be auto, buffer or splice\n"
        "f:5: listener web: half_close = maybe: must be true or false\n");
    bad("listener web { address = ::1:80 upstream = app }" APP,
        "f:1: listener web: address = ::1:80: an IPv6 address stands in brackets: write it as "
        "[::1]:80\n");
    bad(WEB "upstream app { server a { address = :80 } }",
        "f:2: upstream app: server a: address = :80: the host is missing, as in 127.0.0.1:80\n");
    bad(WEB "upstream app { server a { address = systemd } }",
        "f:2: upstream app: server a: address = systemd: the port is missing, as in name:80\n");
}

static void test_found_text_cannot_spoil_the_message(void **state) {
    (void)state;
    bad("log_level = '0123456789012345678901234567890123456789012345678901234567890123456789"
        "012345678901234567890'\n" WEB APP,
        "f:1: log_level = 012345678901234567890123456789012345678901234567890123456789012345678901"
        "2345...: must be error, warning, notice, info or debug\n");
    bad("log_level = 'a\tb'\n" WEB APP,
        "f:1: log_level = a\\x09b: must be error, warning, notice, info or debug\n");
}

static void test_unknown_options(void **state) {
    (void)state;
    bad("workrs = 8\n" WEB APP, "f:1: unknown option \"workrs\"; did you mean workers?\n");
    bad(WEB "upstream app { balance = x\n server a { address = :80 tls = 1 } }",
        "f:2: upstream app: balance = x: must be round_robin, least_connections, source_hash, "
        "random_two or cookie\n"
        "f:3: upstream app: server a: unknown option \"tls\"; known here: @server\n"
        "f:3: upstream app: server a: address = :80: the host is missing, as in 127.0.0.1:80\n");
    bad("listener web {\nidle_timout = 3\nzzz = {a,\nb}\nfoo += {}\nbar(1, (2))\naddress = :80\n"
        "upstream = app }" APP,
        "f:2: listener web: unknown option \"idle_timout\"; did you mean idle_timeout?\n"
        "f:3: listener web: unknown option \"zzz\"; known here: @listener\n"
        "f:5: listener web: unknown option \"foo\"; known here: @listener\n"
        "f:6: listener web: unknown option \"bar\"; known here: @listener\n");
    bad("include(\"/etc/passwd\")\n" WEB APP,
        "f:1: include is written as include \"/etc/relayd.d/*.conf\"\n");
}

static void test_options_in_the_wrong_section(void **state) {
    (void)state;
    bad("mode = tcp\naddress = :80\n" WEB APP,
        "f:1: option \"mode\" belongs in section listener\n"
        "f:2: option \"address\" belongs in section listener or server or status\n");
    bad("listener web { workers = 1 address = :80 upstream = app }" APP,
        "f:1: listener web: option \"workers\" belongs at the top level, outside of any section\n");
    bad("server a { address = :80 }\n" WEB APP,
        "f:1: section \"server\" belongs in section upstream\n");
}

static void test_unknown_sections(void **state) {
    (void)state;
    bad("health_check { a = 1 b { } c = {1, 2} d e { f = 'g}' } }\nlistenner x {}\n" WEB APP,
        "f:1: section \"health_check\" belongs in section upstream\n"
        "f:2: unknown section \"listenner\"; did you mean listener?\n");
    bad(WEB "upstream app {\n helth {\n type = tcp }\n server a { tlss { } address = b:1 } }",
        "f:3: upstream app: unknown section \"helth\"; known here: server, health_check, tls\n"
        "f:5: upstream app: server a: unknown section \"tlss\"; no section is known here\n");
    bad("listener web { address = :80 upstream = app\nupstream app { server a { address = b:1 } }",
        "f:2: listener web: section \"upstream\" belongs at the top level, outside of any section; "
        "is a \"}\" missing before it?\n");
}

static void test_what_is_given_twice(void **state) {
    (void)state;
    bad("workers = 1\nworkers = 1\n" WEB APP,
        "f:2: workers is given twice; the first is on line 1\n");
    bad("listener web { address = :80\naddress = :81 upstream = app }" APP,
        "f:2: listener web: address is given twice; the first is on line 1\n");
    bad(WEB APP APP, "f:3: upstream app is given twice; the first is on line 2\n");
    bad(WEB "listener web { address = :81 upstream = app }\n" APP,
        "f:2: listener web is given twice; the first is on line 1\n");
    config_unref(good("listener app { address = :80 upstream = app }" APP)); /* another kind */
}

static void test_the_same_address_twice(void **state) {
    (void)state;
    bad(WEB "listener b {\naddress = \"[::]:80\" upstream = app }" APP,
        "f:3: listener b: address [::]:80 is listened on twice; the first is on line 1\n");
    bad("listener web { address = {80,\n:80} upstream = app }" APP,
        "f:2: listener web: address :80 is listened on twice; the first is on line 1\n");
    bad("listener web { address = {unix:/a,\nunix:/a, localhost:1,\nLOCALHOST:1} upstream = app "
        "}" APP,
        "f:2: listener web: address unix:/a is listened on twice; the first is on line 1\n"
        "f:3: listener web: address LOCALHOST:1 is listened on twice; the first is on line 2\n");
    bad("listener web { address = {127.0.0.1:1,\n\"[::ffff:127.0.0.1]:1\"} upstream = app }" APP,
        "f:2: listener web: address [::ffff:127.0.0.1]:1 is listened on twice; the first is on "
        "line 1\n");
    bad("listener web { address = {systemd,\nsystemd} upstream = app }" APP,
        "f:2: listener web: address systemd is listened on twice; the first is on line 1\n");
    config_unref(
        good("listener a { address = {systemd, :80, \"0.0.0.0:80\", \"[::1]:80\"} "
             "upstream = app } listener b { address = systemd upstream = app }" APP));
}

static void test_what_is_missing(void **state) {
    (void)state;
    bad("listener web {\n}\n" APP,
        "f:1: listener web: address must be given, as in address = \":8080\"\n"
        "f:1: listener web: upstream must be given, as in upstream = app\n");
    bad("listener web { upstream = app\naddress = {} }\n" APP,
        "f:2: listener web: address = {}: must have at least one address\n");
    bad(WEB "upstream app { server a { } }",
        "f:2: upstream app: server a: address must be given, as in address = \"127.0.0.1:80\"\n");
    bad(WEB "upstream app { }",
        "f:2: upstream app: a server must be given, as in server a { "
        "address = \"127.0.0.1:80\" }\n");
    bad("# nothing\n\n",
        "f:1: there is no listener section, so no client could connect; add one, as "
        "in listener web { address = \":8080\" upstream = app }\n"
        "f:1: there is no upstream section, so connections have nowhere to go; add "
        "one, as in upstream app { server a { address = \"127.0.0.1:80\" } }\n");
    bad("",
        "f:1: there is no listener section, so no client could connect; add one, as "
        "in listener web { address = \":8080\" upstream = app }\n"
        "f:1: there is no upstream section, so connections have nowhere to go; add "
        "one, as in upstream app { server a { address = \"127.0.0.1:80\" } }\n");
}

static void test_a_site_of_redirects_needs_no_upstream(void **state) {
#define HTTP "listener web { address = :80 mode = http "
    (void)state;
    config_unref(good(HTTP "redirect = https }"));
    config_unref(good(HTTP "route a { redirect = https } }"));
    bad(HTTP "redirect = https }\nlistener raw { address = :81 }",
        "f:2: listener raw: upstream must be given, as in upstream = app\n"
        "f:2: there is no upstream section, so connections have nowhere to go; add one, as in "
        "upstream app { server a { address = \"127.0.0.1:80\" } }\n");
    bad(HTTP "redirect = https\nroute a { upstream = app } }",
        "f:2: listener web: route a: upstream \"app\" does not exist; there is no upstream "
        "section at all\n");
#undef HTTP
}

static void test_upstream_names(void **state) {
    (void)state;
    bad("listener web { address = :80\nupstream = ap }\n" APP,
        "f:2: listener web: upstream \"ap\" does not exist; did you mean \"app\"?\n");
    bad("listener web { address = :80\nupstream = other }\n" APP
        "upstream b { server a { address = b:1 } }",
        "f:2: listener web: upstream \"other\" does not exist; known are \"app\", \"b\"\n");
}

static void test_titles(void **state) {
    (void)state;
    bad("listener \"my web\" { address = :80 upstream = app }" APP,
        "f:1: listener \"my web\": a title must be 1 to 63 letters, digits, \"-\", \"_\" or "
        "\".\"\n");
    bad("listener '' { address = :80 upstream = app }" APP,
        "f:1: listener \"\": a title must be 1 to 63 letters, digits, \"-\", \"_\" or \".\"\n");
    config_unref(
        good("listener a23456789012345678901234567890123456789012345678901234567890123 "
             "{ address = :80 upstream = app }" APP));
    bad("listener a234567890123456789012345678901234567890123456789012345678901234 "
        "{ address = :80 upstream = app }" APP,
        "f:1: listener \"a234567890123456789012345678901234567890123456789012345678901234\": "
        "a title must be 1 to 63 letters, digits, \"-\", \"_\" or \".\"\n");
}

static void test_syntax_errors(void **state) {
    (void)state;
    bad("workers = 0\nfoo = 1\nqueue_size 8\nbar = 1\n" WEB APP,
        "f:1: workers = 0: must be a number from 1 to 1024\n"
        "f:2: unknown option \"foo\"; known here: @global\n"
        "f:3: syntax error: missing equal sign after option 'queue_size'\n");
    bad("listener {", "f:1: syntax error: missing title for section 'listener'\n");
    bad("listener web\n address",
        "f:2: syntax error: missing opening brace for section 'listener'\n");
    bad("\n}\n", "f:2: syntax error: unexpected closing brace\n");
    bad("workers =", "f:1: syntax error: premature end of file\n");
    bad("workers = {", "f:1: what is opened here is never closed: a \"}\" is missing\n");
    bad("workers += 3\n", "f:1: syntax error: attempt to append to non-list option 'workers'\n");
    bad("workers = 3\n= 4\n", "f:2: syntax error: unexpected token '='\n");
    bad("listener web {\n address = :80\n\n",
        "f:2: listener web: the file ends before this section, "
        "begun on line 1, is closed: a \"}\" is missing\n");
    bad("foo bar baz\n", "f:1: unknown option \"foo\"; known here: @global\n");
}

static void test_what_the_scanner_refuses(void **state) {
    (void)state;
    bad("\nlog_level = \"info\n", "f:2: the quote is not closed on its line\n");
    bad("log_level = 'info", "f:1: the quote is not closed on its line\n");
    bad("\n/* x\n", "f:2: the comment that starts here is never closed\n");
    bad("log_level = \"a\\n\"\n",
        "f:1: between double quotes, \"\\\" goes only before \", \\ or $; "
        "single quotes take it as it is\n");
    bad("workers = *\n", "f:1: \"*\" is only known between quotes\n");
    bad("workers = \x01\n", "f:1: byte 0x01 cannot stand in a text file\n");
    bad("log_level = 'a\x7f'\n", "f:1: there is a control character between the quotes\n");
}

static void test_any_bytes(void **state) {
    static const char text[] = "workers = 2\n\0listener";
    char *errors = NULL, all[512];

    (void)state;
    assert_null(config_load_buffer("f", text, sizeof text - 1, collect, &errors));
    assert_string_equal(errors, "f:2: byte 0x00 cannot stand in a text file\n");
    free(errors);
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)(i * 31);
    for (size_t i = 0; i < sizeof all; i++) {
        errors = NULL;
        assert_null(config_load_buffer("f", all + i, sizeof all - i, collect, &errors));
        assert_non_null(errors);
        free(errors);
    }
}

static void unreadable(const char *path, const char *expected) {
    char *errors = NULL;

    assert_null(config_load(path, collect, &errors));
    assert_non_null(errors);
    if (!strstr(errors, expected))
        fail_msg("\"%s\" does not say \"%s\"", errors, expected);
    free(errors);
}

static void test_files_that_cannot_be_read(void **state) {
    char path[] = "/tmp/relayd-test-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    unreadable("/nonexistent/relayd.conf", "no such file; name another with -f FILE");
    unreadable("/tmp", "/tmp: this is a directory; name a regular file");
    unreadable("/dev/null", "/dev/null: this is a device; name a regular file");
    unreadable(path, ":1: there is no listener section");
    if (geteuid() != 0) { /* root may read everything */
        assert_int_equal(chmod(path, 0), 0);
        unreadable(path, "permission denied");
    }
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(ftruncate(fd, (off_t)CONFIG_SIZE_MAX + 1), 0);
    unreadable(path, "is it a configuration?");
    close(fd);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0); /* and nobody writes */
    unreadable(path, ": this is a FIFO or a pipe; name a regular file with -f FILE");
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_survive_comments),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_found_text_cannot_spoil_the_message),
        cmocka_unit_test(test_unknown_options),
        cmocka_unit_test(test_options_in_the_wrong_section),
        cmocka_unit_test(test_unknown_sections),
        cmocka_unit_test(test_what_is_given_twice),
        cmocka_unit_test(test_the_same_address_twice),
        cmocka_unit_test(test_what_is_missing),
        cmocka_unit_test(test_a_site_of_redirects_needs_no_upstream),
        cmocka_unit_test(test_upstream_names),
        cmocka_unit_test(test_titles),
        cmocka_unit_test(test_syntax_errors),
        cmocka_unit_test(test_what_the_scanner_refuses),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_files_that_cannot_be_read),
    };

    return cmocka_run_group_tests_name("config_errors", tests, NULL, NULL);
}
