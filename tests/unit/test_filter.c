/* control/filter: what is asked for is read whole or refused in a sentence. */
#include "unit.h"

#include <string.h>

#include "base/log_line.h"
#include "control/filter.h"
#include "control/request_filter.h"

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

static bool reads_request(const char *name, const char *value, struct request_filter *ret) {
    struct words words = {{name}, {value}};
    char why[FILTER_WHY_MAX];

    return request_filter_read(ret, find_word, &words, why);
}

static void requests_are_filtered(void **state) {
    struct log_line line = {.kind = MSG_REQUEST}, end = {.kind = MSG_CONNECTION};
    struct request_filter filter;

    (void)state;
    log_line_number(&line, "RELAYD_STATUS", 404);
    log_line_field(&line, "RELAYD_PATH", "/api/v1");
    assert_true(reads_request("status", "404", &filter));
    assert_int_equal(filter.hears, LOG_TAP_REQUESTS);
    assert_true(request_filter_takes(&filter, &line));
    assert_true(request_filter_takes(&filter, &end)); /* who hears them asks elsewhere */
    assert_true(reads_request("status", "4xx", &filter) && request_filter_takes(&filter, &line));
    assert_true(reads_request("status", "5xx", &filter) && !request_filter_takes(&filter, &line));
    assert_true(reads_request("path", "/api", &filter) && request_filter_takes(&filter, &line));
    assert_true(reads_request("path", "/apis", &filter) && !request_filter_takes(&filter, &line));
    assert_true(reads_request("nothing", "", &filter));
    assert_int_equal(filter.hears, LOG_TAP_ENDS);
    assert_false(reads_request("status", "4x", &filter) ||
                 reads_request("status", "40a", &filter) ||
                 reads_request("status", "0xx", &filter) || reads_request("of", "", &filter));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_filter_narrows),
        cmocka_unit_test(a_name_that_is_too_long_is_nobodys),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(requests_are_filtered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
