/* listen/limit_list: which limit a listener goes on with when the configuration is loaded anew. */
#include "unit.h"

#include "config_text.h"
#include "listen/limit_list.h"
#include "listen/seat.h"

#define MOST 4

static struct limit_list list;

static int set_up(void **state) {
    (void)state;
    limit_list_init(&list);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    limit_list_clear(&list);
    return 0;
}

/* Loads it, with an upstream, and puts it in force. The limits are lent: the list keeps those that
 * are in force. */
static void begin(const char *listeners, struct limit *ret_limits[MOST]) {
    char text[2048];

    snprintf(text, sizeof(text), "%s\nupstream u { server a { address = \"127.0.0.1:9\" } }\n",
             listeners);
    struct config *config = good(text);
    assert_true(config->n_listeners <= MOST);
    assert_true(limit_list_choose(&list, config, ret_limits));
    limit_list_begin(&list, config, ret_limits);
    for (size_t i = 0; i < config->n_listeners; i++)
        limit_unref(ret_limits[i]);
    config_unref(config);
}

#define LISTENER(name, address) "listener " name " { address = {" address "} upstream = u }\n"
#define ONE                     "\"127.0.0.1:81\""
#define TWO                     "\"127.0.0.1:82\""
#define THREE                   "\":83\""
#define UNIX                    "\"unix:/run/x\""

static void who_stays_goes_on(void **state) {
    struct limit *before[MOST], *after[MOST];

    (void)state;
    begin(LISTENER("a", ONE) LISTENER("b", TWO), before);
    assert_ptr_not_equal(before[0], before[1]);
    begin(LISTENER("b", TWO) LISTENER("c", THREE) LISTENER("a", ONE), after);
    assert_ptr_equal(after[0], before[1]);
    assert_ptr_equal(after[2], before[0]);
    assert_true(after[1] != before[0] && after[1] != before[1]);
}

static void another_name_on_the_same_address(void **state) {
    static const char *const addresses[] = {ONE, THREE, UNIX, TWO ", " THREE};
    struct limit *before[MOST], *after[MOST];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        char a[256], b[256];

        snprintf(a, sizeof(a), LISTENER("a", "%s"), addresses[i]);
        snprintf(b, sizeof(b), LISTENER("b", "%s"), addresses[i]);
        begin(a, before);
        begin(b, after);
        assert_ptr_equal(after[0], before[0]);
    }
}

static void another_address_of_the_same_name(void **state) {
    struct limit *before[MOST], *after[MOST];

    (void)state;
    begin(LISTENER("a", ONE) LISTENER("s", "\"systemd\""), before);
    begin(LISTENER("a", TWO) LISTENER("s", THREE), after);
    assert_ptr_equal(after[0], before[0]);
    assert_ptr_equal(after[1], before[1]);
}

/* An address counts more than a name, both count most, and no limit is anybody's twice. */
static void who_comes_first(void **state) {
    struct limit *before[MOST], *after[MOST];

    (void)state;
    begin(LISTENER("a", ONE) LISTENER("b", TWO), before);
    begin(LISTENER("a", TWO) LISTENER("b", ONE), after); /* they change places */
    assert_ptr_equal(after[0], before[1]);
    assert_ptr_equal(after[1], before[0]);
    tear_down(NULL);

    begin(LISTENER("a", ONE ", " TWO), before);
    begin(LISTENER("b", ONE) LISTENER("a", TWO), after); /* it is parted in two */
    assert_ptr_equal(after[1], before[0]);
    assert_ptr_not_equal(after[0], before[0]);
    tear_down(NULL);

    begin(LISTENER("s", "\"systemd\"") LISTENER("t", ONE), before);
    begin(LISTENER("t", "\"systemd\""), after); /* another socket, though it is called the same */
    assert_ptr_equal(after[0], before[1]);
}

/* A listener goes while it has connections, and comes back. */
static void who_comes_back_goes_on_if_there_is_anybody(void **state) {
    struct limit *before[MOST], *after[MOST];
    struct seat seat;

    (void)state;
    begin(LISTENER("a", ONE) LISTENER("b", TWO), before);
    assert_true(seat_enter(&seat, before[0]));
    begin(LISTENER("b", TWO), after);
    begin(LISTENER("b", TWO), after);
    begin(LISTENER("b", TWO) LISTENER("a", ONE), after);
    assert_ptr_equal(after[1], before[0]);
    seat_leave(&seat);
    begin(LISTENER("b", TWO), after);
    begin(LISTENER("b", TWO), after); /* and nobody is left of it */
    size_t n = 0;
    const struct limit *limit;
    LIST_FOREACH(limit, &list, entry)
        n++;
    assert_int_equal(n, 1);
}

static void its_number_is_in_force(void **state) {
    struct limit *limits[MOST];
    struct seat seats[2];

    (void)state;
    begin(LISTENER("a", ONE), limits);
    assert_true(seat_enter(&seats[0], limits[0]));
    begin("listener b { address = {" ONE "} upstream = u max_connections = 1 }\n", limits);
    assert_false(seat_enter(&seats[1], limits[0]));
    seat_leave(&seats[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_stays_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_name_on_the_same_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_address_of_the_same_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_comes_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_comes_back_goes_on_if_there_is_anybody, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(its_number_is_in_force, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("limit_list", tests, NULL, NULL);
}
