/* Configurations of several files. */
#include "config_text.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/includes.h"

static char folder[64];

static const char *path_of(const char *name) {
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text) {
    FILE *file = fopen(path_of(name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/relayd-test-XXXXXX");
    return mkdtemp(folder) == NULL || mkdir(path_of("d"), 0755) < 0;
}

static int remove_it(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int remove_folder(void **state) {
    (void)state;
    return nftw(folder, remove_it, 8, FTW_DEPTH | FTW_PHYS);
}

/* The configuration in the file "main" has exactly these errors; "@" in them is the folder. */
static void errors_are(const char *expected) {
    char *errors = NULL, *whole;
    size_t size;
    FILE *out = open_memstream(&whole, &size);
    struct config *config = config_load(path_of("main"), collect, &errors);

    assert_non_null(out);
    for (; *expected != '\0'; expected++)
        fprintf(out, *expected == '@' ? "%s" : "%.1s", *expected == '@' ? folder : expected);
    fclose(out);
    assert_true((config == NULL) == (size > 0));
    assert_string_equal(errors != NULL ? errors : "", whole);
    config_unref(config);
    free(errors);
    free(whole);
}

static void test_files_are_one_configuration(void **state) {
    struct config *config;
    char *errors = NULL;
    int line;

    (void)state;
    put("main",
        "include \"d/*.conf\"\nworkers = 3\nlistener web { address = :80 upstream = app }\n");
    put("d/b.conf", "# b\n\nupstream app { server a { address = \"10.0.0.1:80\" } }\n");
    put("d/a.conf", "queue_size = 7 include 'sub' log_level = debug");
    put("d/sub", "listener two { address = :81\nupstream = app }\n");
    put("d/ignored", "nonsense\n");
    config = config_load(path_of("main"), collect, &errors);
    if (config == NULL)
        fail_msg("%s", errors);
    assert_int_equal(config->global.workers, 3);
    assert_int_equal(config->global.queue_size, 7);
    assert_int_equal(config->n_listeners, 2);
    assert_string_equal(config->listeners[1].name, "two");
    assert_int_equal(config->n_upstreams, 1);
    assert_string_equal(config->path, path_of("main"));
    assert_string_equal(places_find(&config->places, config->upstreams[0].line, &line),
                        path_of("d/b.conf"));
    assert_int_equal(line, 3);
    assert_string_equal(places_find(&config->places, config->listeners[0].line, &line),
                        path_of("main"));
    assert_int_equal(line, 3);
    config_unref(config);
}

static void test_errors_name_their_file(void **state) {
    (void)state;
    put("main", "workers = 0\ninclude \"d/*.conf\"\n" WEB APP "queue_size = 1\n");
    put("d/a.conf", "\nworkrs = 1\nworkers = 2\nlistener web { address = :81 upstream = app }\n");
    put("d/b.conf", "queue_size 3\nzzz = 1\n");
    put("d/c.conf", "log_level = loud\nlistener late {\n");
    errors_are(
        "@/main:1: workers = 0: must be a number from 1 to 1024\n"
        "@/d/a.conf:2: unknown option \"workrs\"; did you mean workers?\n"
        "@/d/a.conf:3: workers is given twice; the first is on line 1 of @/main\n"
        "@/d/b.conf:1: syntax error: missing equal sign after option 'queue_size'\n"
        "@/d/c.conf:1: log_level = loud: must be error, warning, notice, info or debug\n"
        "@/d/c.conf:2: listener late: the file ends before this section, begun on line 2, is "
        "closed: a \"}\" is missing\n");
}

static void test_what_is_twice_in_two_files(void **state) {
    (void)state;
    put("main", "include \"d/*.conf\"\n" WEB APP);
    put("d/a.conf", "\nlistener b { address = :80 upstream = app }\n");
    put("d/b.conf",
        "listener c { address = {:81,\n:81} upstream = app }\n\n"
        "upstream app { server b { address = b.example:1 } }\n");
    put("d/c.conf",
        "upstream two {\nserver a { address = 10.0.0.1:1 }\n"
        "server b { address = 10.0.0.1:1 } }\n");
    errors_are(
        "@/d/a.conf:2: listener b: address :80 is listened on twice; the first is on line 2 "
        "of @/main\n"
        "@/d/b.conf:2: listener c: address :81 is listened on twice; the first is on line 1\n"
        "@/d/b.conf:4: upstream app is given twice; the first is on line 3 of @/main\n"
        "@/d/c.conf:3: upstream two: server b has the address of server a, on line 2; give "
        "that one more weight instead\n");
}

static void test_what_is_not_there(void **state) {
    (void)state;
    put("main", "include \"d/*.nothing\"\ninclude \"none/*.conf\"\n" WEB APP);
    errors_are("");
    put("main", "include \"d/gone.conf\"\ninclude \"\"\n" WEB APP);
    errors_are(
        "@/main:1: include: @/d/gone.conf: there is no such file\n"
        "@/main:2: include \"\": must be the path of a file, or a pattern, as in "
        "\"/etc/relayd.d/*.conf\"\n");
}

static void test_only_regular_files(void **state) {
    (void)state;
    put("main", "include \"d/*\"\ninclude d\ninclude /dev/null\n" WEB APP);
    assert_int_equal(mkfifo(path_of("d/fifo"), 0600), 0);
    put("d/large", "");
    assert_int_equal(truncate(path_of("d/large"), (off_t)CONFIG_SIZE_MAX + 1), 0);
    errors_are(
        "@/main:1: include: @/d/fifo: this is a FIFO or a pipe; only regular files can be "
        "included, as in \"/etc/relayd.d/*.conf\"\n"
        "@/main:1: include: @/d/large: larger than 1048576 bytes; is it a configuration?\n"
        "@/main:2: include: @/d: this is a directory; only regular files can be included, as "
        "in \"/etc/relayd.d/*.conf\"\n"
        "@/main:3: include: /dev/null: this is a device; only regular files can be included, "
        "as in \"/etc/relayd.d/*.conf\"\n");
}

static void test_circles(void **state) {
    (void)state;
    put("main", "include \"*\"\n" WEB APP);
    errors_are(
        "@/main:1: include: @/main includes itself: files go round in a circle\n"
        "@/main:1: include: @/d: this is a directory; only regular files can be included, as "
        "in \"/etc/relayd.d/*.conf\"\n");
    put("main", "include d/a\n" WEB APP);
    put("d/a", "\ninclude b\n");
    put("d/b", "\n\ninclude ../d/./a\n");
    errors_are("@/d/b:3: include: @/d/../d/./a includes itself: files go round in a circle\n");
    put("d/b", "");
    put("main", "include d/a\ninclude d/b\ninclude d/b\n" WEB APP);
    errors_are(
        "@/main:3: include: @/d/b is included twice; the first is on line 2\n"
        "@/d/a:2: include: @/d/b is included twice; the first is on line 2 of @/main\n");
}

static void test_there_are_not_too_many(void **state) {
    char name[32];

    (void)state;
    put("main", "include \"d/*\"\n" WEB APP);
    for (int i = 0; i < INCLUDES_MOST; i++) {
        snprintf(name, sizeof name, "d/%04d", i);
        put(name, "");
    }
    errors_are("@/main:1: include: @/d/0999: there may be 1000 files at most\n");
}

static void test_where_it_may_stand(void **state) {
    (void)state;
    bad("listener web { address = :80 upstream = app\ninclude \"x\" }\n" APP,
        "f:2: listener web: include belongs at the top level, outside of any section\n");
    bad("include = \"x\"\ninclude { }\nworkers = 0\n" WEB APP,
        "f:1: include is written as include \"/etc/relayd.d/*.conf\"\n"
        "f:2: include is written as include \"/etc/relayd.d/*.conf\"\n"
        "f:3: workers = 0: must be a number from 1 to 1024\n");
    bad("include \"/nonexistent/x\"\n" WEB APP,
        "f:1: include: /nonexistent/x: there is no such file\n");
}

static void test_folders_with_odd_names(void **state) {
    char *errors = NULL;
    struct config *config;

    (void)state;
    assert_int_equal(mkdir(path_of("[a]*"), 0755), 0);
    put("[a]*/main", "include \"*.conf\"\n" WEB);
    put("[a]*/x.conf", APP);
    config = config_load(path_of("[a]*/main"), collect, &errors);
    if (config == NULL)
        fail_msg("%s", errors);
    config_unref(config);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(test_files_are_one_configuration), IN_A_FOLDER(test_errors_name_their_file),
        IN_A_FOLDER(test_what_is_twice_in_two_files),  IN_A_FOLDER(test_what_is_not_there),
        IN_A_FOLDER(test_only_regular_files),          IN_A_FOLDER(test_circles),
        IN_A_FOLDER(test_there_are_not_too_many),      IN_A_FOLDER(test_folders_with_odd_names),
        cmocka_unit_test(test_where_it_may_stand),
    };

    return cmocka_run_group_tests_name("config_include", tests, NULL, NULL);
}
