/* control/filter: what is asked for is read whole or refused in a sentence. */
#include "unit.h"

#include <string.h>

#include "control/filter.h"

struct words {
    const char *name[4], *value[4];
};

static const char *find_word(void *arg, const char *name) {
    const struct words *words = arg;

    for (size_t i = 0; i < ARRAY_LEN(words->name) && words->name[i] != NULL; i++)
        if (strcmp(words->name[i], name) == 0)
            return words->value[i];
    return NULL;
}

static void each_filter_narrows(void **state) {
    struct words words = {{"listener", "server", "client"}, {"web", "app/a", "192.0.2.0/24"}};
    struct filter filter;
    struct addr in, out;
    char why[FILTER_WHY_MAX];
    const char *clause;

    (void)state;
    assert_true(addr_parse_ip("192.0.2.7", &in, &clause));
    assert_true(addr_parse_ip("198.51.100.7", &out, &clause));
    assert_true(filter_read(&filter, find_word, &words, why));
    assert_true(filter_takes(&filter, "web", "app", "a", &in));
    assert_false(filter_takes(&filter, "web", "app", "a", &out));
    assert_false(filter_takes(&filter, "web2", "app", "a", &in));
    assert_false(filter_takes(&filter, "web", "ap", "a", &in));
}

static void a_name_that_is_too_long_is_nobodys(void **state) {
    char name[2 * CONFIG_NAME_MAX], known[CONFIG_NAME_MAX], why[FILTER_WHY_MAX];
    struct words words = {{"listener"}, {name}};
    struct filter filter;
    struct addr client = {0};

    (void)state;
    memset(name, 'a', sizeof(name) - 1);
    memset(known, 'a', sizeof(known) - 1);
    name[sizeof(name) - 1] = known[sizeof(known) - 1] = '\0';
    assert_true(filter_read(&filter, find_word, &words, why));
    assert_false(filter_takes(&filter, known, "app", "a", &client));
}

static void what_is_wrong_is_said(void **state) {
    static const struct {
        const char *name, *value, *said;
    } wrong[] = {{"client", "10.0.0/8", "must be an address or a prefix"},
                 {"end", "ZZ", "no such end code"},
                 {"end", "", "no such end code"},
                 {"failed", "perhaps", "must be yes or no"}};
    struct filter filter;
    char why[FILTER_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct words words = {{wrong[i].name}, {wrong[i].value}};

        assert_false(filter_read(&filter, find_word, &words, why));
        assert_non_null(strstr(why, wrong[i].said));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_filter_narrows),
        cmocka_unit_test(a_name_that_is_too_long_is_nobodys),
        cmocka_unit_test(what_is_wrong_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
