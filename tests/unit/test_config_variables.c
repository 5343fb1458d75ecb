/* Values that are not in the file: variables of the environment, and credentials. */
#include "config_text.h"

#include <unistd.h>

#include "config/variables.h"

#define MISSING                                                                                    \
    "relayd's environment has no variable of this name; the service has those that its unit sets " \
    "with Environment= (systemctl edit relayd)\n"
#define CHECKED(options)                                                                           \
    WEB "upstream app { server a { address = b.example:80 }\nhealth_check { " options " } }\n"

static char folder[64];

static int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/relayd-test-XXXXXX");
    unsetenv("T_NONE");
    return mkdtemp(folder) == NULL || setenv("T_HOST", "10.1.2.3", 1) < 0 ||
           setenv("T_PORT", "81", 1) < 0 || setenv("T_EMPTY", "", 1) < 0 ||
           setenv("T_QUOTES", "a\"b\\c'd ${T_HOST}", 1) < 0 || setenv("T_LINES", "a\nb", 1) < 0 ||
           setenv("CREDENTIALS_DIRECTORY", folder, 1) < 0;
}

static int tear_down(void **state) {
    static const char *const names[] = {"secret", "zero", "large", "odd"};
    char path[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static void put(const char *name, const void *text, size_t n) {
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void test_variables_stand_for_their_values(void **state) {
    struct config *config = good(
        "listener \"${T_HOST}\" { address = {\"${T_HOST}:${T_PORT}\", ${T_HOST}:82,\n"
        "  :8${T_PORT}} upstream = app }\n"
        "workers = ${T_PORT} instance = \"${T_QUOTES}${T_EMPTY}!\"\n" APP);

    (void)state;
    assert_string_equal(config->listeners[0].name, "10.1.2.3");
    assert_int_equal(config->listeners[0].n_address, 3);
    assert_string_equal(config->listeners[0].address[0].text, "10.1.2.3:81");
    assert_string_equal(config->listeners[0].address[1].text, "10.1.2.3:82");
    assert_string_equal(config->listeners[0].address[2].text, ":881");
    assert_int_equal(config->global.workers, 81);
    assert_string_equal(config->global.instance, "a\"b\\c'd ${T_HOST}!"); /* once is enough */
    config_unref(config);
}

static void test_how_the_characters_themselves_are_written(void **state) {
    struct config *config = good("instance = \"\\${T_HOST}$T_HOST $\" " WEB APP);

    (void)state;
    assert_string_equal(config->global.instance, "${T_HOST}$T_HOST $");
    config_unref(config);
    config = good("instance = '${T_HOST}' # ${NOTHING\n" WEB APP);
    assert_string_equal(config->global.instance, "${T_HOST}");
    config_unref(config);
}

static void test_variables_that_are_not_there(void **state) {
    static const char none[] =
        "\"${\" begins a variable of the environment, as in ${NAME}; where the two characters "
        "themselves are meant, single quotes take them as they are\n";
    char expected[512];

    (void)state;
    bad("listener web { upstream = app\naddress = \"${T_NONE}:${T_PORT}\" }\nworkers = 0\n" APP,
        "f:2: ${T_NONE}: " MISSING "f:3: workers = 0: must be a number from 1 to 1024\n");
    bad("include \"${T_NONE}/x\"\n" WEB APP, "f:1: ${T_NONE}: " MISSING);
    bad("\nlistener ${T_NONE} { address = :80 upstream = app }\n" APP, "f:2: ${T_NONE}: " MISSING);
    bad("instance = ${T_LINES}\n" WEB APP,
        "f:1: ${T_LINES}: the value has a line end or a control character\n");
    bad("workers = ${T_EMPTY}\n" WEB APP, "f:1: workers = \"\": must be a number from 1 to 1024\n");
    bad("${T_HOST} = 3\n" WEB APP,
        "f:1: ${...} stands for a value, a title or a path, not for the name of an option\n");
    snprintf(expected, sizeof expected, "f:1: %s", none);
    bad("instance = \"${}\"\n" WEB APP, expected);
    bad("instance = ${T_HOST\n" WEB APP, expected);
    bad("instance = \"${T_HOST:-x}\"\n" WEB APP, expected);
    bad("instance = ${1}\n" WEB APP, expected);
}

static char *dumped(const char *text) {
    struct config *config = good(text);
    char *dump = NULL;
    size_t size;
    FILE *out = open_memstream(&dump, &size);

    assert_non_null(out);
    config_dump(config, true, out);
    assert_int_equal(fclose(out), 0);
    config_unref(config);
    return dump;
}

static void test_a_dump_has_values_but_no_secrets(void **state) {
    char *dump, *again;

    (void)state;
    put("secret", "AUTH \"$x\"\n", 10);
    dump = dumped("workers = ${T_PORT} instance = \"${T_QUOTES}\"\n" CHECKED(
        "type = talk send = 'credential:secret' expect = '+PONG'"));
    assert_non_null(strstr(dump, "workers = 81\n"));
    assert_non_null(strstr(dump, "send = \"credential:secret\"\n"));
    assert_null(strstr(dump, "AUTH"));
    again = dumped(dump);
    assert_string_equal(again, dump);
    free(dump);
    free(again);
    put("odd", "relayd\n", 7); /* the default */
    dump = dumped(CHECKED("type = mysql user = credential:odd"));
    assert_non_null(strstr(dump, "user = \"credential:odd\"\n"));
    free(dump);
}

static void test_credentials(void **state) {
    struct config *config;
    const struct health_check_config *check;

    (void)state;
    put("secret", "AUTH \"$x\"\n", 10);
    put("odd", "a\n\n", 3);
    config = good(CHECKED("type = talk send = \"credential:secret\" expect = credential:odd"));
    check = &config->upstreams[0].health_check;
    assert_string_equal(check->send, "AUTH \"$x\"");
    assert_string_equal(check->expect, "a\n");
    config_unref(config);
}

/* Errors do not have the secret. */
static void test_credentials_that_cannot_be_had(void **state) {
    static char large[65537];

    (void)state;
    put("zero", "a\0b", 3);
    put("odd", "two words", 9);
    memset(large, 'x', sizeof large);
    put("large", large, sizeof large);
    bad(CHECKED("type = mysql user = credential:none"),
        "f:3: upstream app: health_check: user = credential:none: there is no such credential; the "
        "unit names its file with LoadCredential=NAME:PATH (systemctl edit relayd), and a restart "
        "brings it\n");
    bad(CHECKED("type = mysql user = credential:odd"),
        "f:3: upstream app: health_check: user = credential:odd: must be a user's name, without "
        "blanks or control characters\n");
    bad(CHECKED("type = mysql user = credential:zero"),
        "f:3: upstream app: health_check: user = credential:zero: the credential is no text: a "
        "byte of it is 0\n");
    bad(CHECKED("type = mysql user = credential:large"),
        "f:3: upstream app: health_check: user = credential:large: the credential is larger than "
        "65536 bytes\n");
    bad(CHECKED("type = mysql user = credential:../etc/passwd"),
        "f:3: upstream app: health_check: user = credential:../etc/passwd: the name of a "
        "credential has no \"/\" and does not begin with \".\"\n");
    unsetenv("CREDENTIALS_DIRECTORY");
    bad(CHECKED("type = mysql user = credential:odd"),
        "f:3: upstream app: health_check: user = credential:odd: $CREDENTIALS_DIRECTORY is not "
        "set: the service has it if its unit has LoadCredential=; a check by hand needs the "
        "service's, as in CREDENTIALS_DIRECTORY=/run/credentials/relayd.service relayd -t\n");
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variables_stand_for_their_values),
        cmocka_unit_test(test_how_the_characters_themselves_are_written),
        cmocka_unit_test(test_variables_that_are_not_there),
        cmocka_unit_test(test_a_dump_has_values_but_no_secrets),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_credentials_that_cannot_be_had),
    };

    return cmocka_run_group_tests_name("config_variables", tests, set_up, tear_down);
}
