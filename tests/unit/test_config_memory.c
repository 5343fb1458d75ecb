/* Where memory is short for one call, whichever it is, a configuration is refused for that, or
 * it is as ever. */
#include "config_text.h"

#include <unistd.h>
#include <sys/stat.h>

#include "no_memory.h"

#define NO_MEMORY "out of memory while the configuration was read\n"

static char folder[] = "/tmp/relayd-memory-XXXXXX";

/* "@" in it is the folder. */
static void write_text(const char *name, const char *text) {
    char path[sizeof(folder) + 64];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_non_null(file = fopen(path, "we"));
    for (; *text != '\0'; text++)
        if (*text == '@')
            fputs(folder, file);
        else
            fputc(*text, file);
    assert_int_equal(fclose(file), 0);
}

/* With most of what a file can have. */
static void write_folder(void) {
    char errors[sizeof(folder) + 16];

    assert_non_null(mkdtemp(folder));
    snprintf(errors, sizeof(errors), "%s/errors", folder);
    assert_int_equal(mkdir(errors, 0755), 0);
    write_text("errors/503.html", "<p>no</p>");
    write_text("more.conf", "upstream more { server a { address = \"10.0.0.2:80\" } }\n");
    write_text(
        "good.conf",
        "include \"@/more.conf\"\n"
        "listener web { address = {\":8080\", \"[::1]:81\", \"unix:/run/x\"} upstream = app\n"
        "  mode = http socket_group = \"0\" error_pages = \"@/errors\"\n"
        "  allow = {\"10.0.0.0/8\", \"::/0\"} deny = {\"10.1.0.0/16\"}\n"
        "  set_request = {\"Host: a\", \"X-A: b\"} add_response = {\"X-B: c\"}\n"
        "  remove_response = {\"Server\"} trusted_proxies = {\"10.0.0.0/8\"}\n"
        "  route \"a.test/x\" { upstream = more set_request = {\"X-C: d\"} }\n"
        "  route \"/y\" { redirect = \"https://b.test/z\" }\n"
        "  route \"*.c.test\" { upstream = app error_pages = \"@/errors\" } }\n"
        "listener tcp { address = \":82\" upstream = talk }\n"
        "upstream app { balance = cookie cookie_key = \"0123456789abcdef0123456789abcdef\"\n"
        "  source_address = {\"127.0.0.1\", \"::1\"}\n"
        "  server a { address = \"a.test:80\" weight = 2 }\n"
        "  server b { address = \"10.0.0.3:80\" backup = true }\n"
        "  health_check { type = http path = \"/h\" host = \"h.test\" } }\n"
        "upstream talk { server a { address = \"127.0.0.1:9\" }\n"
        "  health_check { type = talk send = 'PING\\r\\n' expect = '+PONG' } }\n");
    write_text("bad.conf",
               "worker = 3\n"
               "listener web { address = \":80\" upstream = ap mode = http hosts = 3\n"
               "  route \"//\" { upstream = app } route \"a/x\" { } set_request = {\"a\"} }\n"
               "listener two { address = {\":80\", \"1.2.3.4.5:80\"} allow = {\"10/8\"}\n"
               "  socket_user = \"no-such-user\" tls { certificate = \"/no/such\" } }\n"
               "upstream app { balance = cookie server a { address = \"a.test\" }\n"
               "  server a { address = \"b.test:80\" } health_check { type = talk } }\n"
               "upstream none { }\ninclude \"nothing.conf\"\n");
}

/* This program's own calls do not fail. */
static void collect_all(void *arg, const char *sentence) {
    bool armed = no_memory.armed;

    no_memory.armed = false;
    collect(arg, sentence);
    no_memory.armed = armed;
}

static struct config *load_file(const char *name, char **ret_errors) {
    char path[sizeof(folder) + 64];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    *ret_errors = NULL;
    return config_load(path, collect_all, ret_errors);
}

/* In these words, or in the kernel's, if a file could not be read for that. */
static void is_refused_for_that(const char *errors, size_t nth) {
    size_t n = errors != NULL ? strlen(errors) : 0, end = strlen(NO_MEMORY);

    if ((n < end || strcmp(errors + n - end, NO_MEMORY) != 0) &&
        (errors == NULL || strstr(errors, "Cannot allocate memory") == NULL))
        fail_msg("call %zu: %s", nth, errors != NULL ? errors : "no error");
}

static void memory_is_short_somewhere(const char *name, bool is_good) {
    char *wanted, *errors;
    struct config *whole = load_file(name, &wanted);
    size_t nth = 0, refused = 0;

    if ((whole != NULL) != is_good)
        fail_msg("%s", wanted);
    assert_int_equal(wanted == NULL, is_good);
    for (bool reached = true; reached; nth++) {
        no_memory_at(nth);
        struct config *config = load_file(name, &errors);
        reached = no_memory_over();

        if (config == NULL && (is_good || strcmp(errors, wanted) != 0)) {
            is_refused_for_that(errors, nth);
            refused++;
        } else if (config != NULL) {
            assert_true(is_good && errors == NULL);
            assert_true(config->fingerprint == whole->fingerprint || config->fingerprint == 0);
        }
        config_unref(config);
        free(errors);
    }
    assert_true(nth > 50 && refused > nth / 2);
    config_unref(whole);
    free(wanted);
}

static void a_good_file(void **state) {
    (void)state;
    memory_is_short_somewhere("good.conf", true);
}

static void a_file_with_errors(void **state) {
    (void)state;
    memory_is_short_somewhere("bad.conf", false);
}

static int make_folder(void **state) {
    (void)state;
    write_folder();
    return 0;
}

static int remove_folder(void **state) {
    static const char *const names[] = {"errors/503.html", "errors",   "more.conf",
                                        "good.conf",       "bad.conf", ""};
    char path[sizeof(folder) + 64];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        assert_int_equal(remove(path), 0);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file),
        cmocka_unit_test(a_file_with_errors),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
