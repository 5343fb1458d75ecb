/* daemon/instance: one file has one name, however its path is written. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/instance.h"

static char listen_text[] = ":8080", no_name[] = "";
static struct listen_address at = {.text = listen_text};
static struct listener_config listener = {.address = &at, .n_address = 1};

static const char *named(const char *option, const char *file) {
    static char name[KEEPER_NAME_MAX];
    char text[300];
    struct config config = {.listeners = &listener, .n_listeners = 1};

    strcpy(text, option);
    config.global.instance = option[0] != '\0' ? text : no_name;
    instance_name(&config, file, name);
    return name;
}

static void it_is_what_the_option_says(void **state) {
    (void)state;
    assert_string_equal(named("web", "/etc/relayd.conf"), "web");
    assert_string_equal(named("web", NULL), "web");
}

static void without_a_file_it_is_the_address(void **state) {
    (void)state;
    assert_string_equal(named("", NULL), ":8080");
}

static void a_path_is_the_same_from_everywhere(void **state) {
    static const char *const ways[] = {
        "/etc/relayd/web.conf",       "/etc//relayd/web.conf",   "/etc/./relayd/./web.conf",
        "/etc/x/../relayd/web.conf",  "/../etc/relayd/web.conf", "relayd/web.conf",
        "./relayd/web.conf",          "../etc/relayd/web.conf",  "../../../etc/relayd/web.conf",
        "relayd/../relayd//web.conf",
    };
    char before[4096];

    (void)state;
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir("/etc"), 0);
    for (size_t i = 0; i < ARRAY_LEN(ways); i++)
        assert_string_equal(named("", ways[i]), "/etc/relayd/web.conf");
    assert_string_equal(named("", "/etc/...conf"), "/etc/...conf");
    assert_string_equal(named("", "/etc/..conf"), "/etc/..conf");
    assert_string_equal(named("", ".conf"), "/etc/.conf");
    assert_int_equal(chdir(before), 0);
}

static void long_ones_differ_by_their_sum(void **state) {
    char first[300], second[300], kept[KEEPER_NAME_MAX];

    (void)state;
    memset(first, 'x', sizeof(first));
    first[0] = '/';
    first[sizeof(first) - 1] = '\0';
    strcpy(second, first);
    second[1] = 'y';
    strcpy(kept, named("", first));
    assert_int_equal(strlen(kept), KEEPER_NAME_MAX - 1);
    assert_string_equal(named("", first), kept);
    assert_string_not_equal(named("", second), kept);
    first[KEEPER_NAME_MAX - 1] = '\0';
    assert_string_equal(named("", first), first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_the_option_says),
        cmocka_unit_test(without_a_file_it_is_the_address),
        cmocka_unit_test(a_path_is_the_same_from_everywhere),
        cmocka_unit_test(long_ones_differ_by_their_sum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
