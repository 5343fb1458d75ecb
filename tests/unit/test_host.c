/* control/host: names that a site answers to, and those that it does not. */
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "control/host.h"

static void addresses_and_known_names_are_answered(void **state) {
    static const char *const good[] = {"127.0.0.1",      "127.0.0.1:9000", "[::1]",
                                       "[::1]:9000",     "192.0.2.1:1",    "localhost",
                                       "LOCALHOST:9000", "relay.example",  "relay.example.:80"};
    struct hosts hosts = {.n = 0};

    (void)state;
    assert_true(hosts_add(&hosts, "relay.example"));
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!hosts_have(&hosts, good[i]))
            fail_msg("%s is answered", good[i]);
    hosts_free(&hosts);
}

static void other_names_and_nonsense_are_not(void **state) {
    static const char *const bad[] = {"",
                                      "evil.example",
                                      "evil.example:9000",
                                      "localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      "[::1",
                                      "[::1]x",
                                      "localhost:x",
                                      "localhost:80:80",
                                      "evil.example@localhost",
                                      "localhost/../evil",
                                      ":80",
                                      "[]:80"};
    struct hosts hosts = {.n = 0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (hosts_have(&hosts, bad[i]))
            fail_msg("%s is not answered", bad[i]);
}

static void the_machines_name_is_answered(void **state) {
    char name[256] = "", field[300];
    struct hosts hosts = {.n = 0};

    (void)state;
    assert_int_equal(gethostname(name, sizeof(name) - 1), 0);
    snprintf(field, sizeof(field), "%s:9000", name);
    assert_true(hosts_have(&hosts, field));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_known_names_are_answered),
        cmocka_unit_test(other_names_and_nonsense_are_not),
        cmocka_unit_test(the_machines_name_is_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
