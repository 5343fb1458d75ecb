/* upstream/search and member (one thread, so without the lock): which member is dialled next, for
 * how long, and what its failures do. */
#include "unit.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "upstream_fixture.h"
#include "base/log.h"
#include "upstream/search.h"

static const struct addr nobody = {.len = 0};

/* The next one; its name, or the outcome as a digit. Fails it. */
static const char *next(struct search *search, usec_t *timeout, bool timed_out) {
    static const char *const outcomes[] = {"0",       "over",    "full",   "down",
                                           "drained", "no name", "stopped"};
    static char name[CONFIG_NAME_MAX];
    struct member *member;
    enum search_outcome outcome = search_next(search, &member, timeout);

    if (outcome != SEARCH_FOUND)
        return outcomes[outcome];
    assert_string_equal(search->server->name, member->server);
    snprintf(name, sizeof(name), "%s", member->server);
    search_failed(search, &member, timed_out ? ETIMEDOUT : ECONNREFUSED);
    assert_null(member);
    return name;
}

static void each_is_tried_once(void **state) UNCHECKED {
    struct upstream *app =
        make_upstream("server a { address = 127.0.0.1:1 } server b { address = 127.0.0.1:2 }");
    struct search search;
    usec_t timeout;

    (void)state;
    search_begin(&search, app, &nobody);
    assert_string_equal(next(&search, &timeout, false), "a");
    assert_string_equal(next(&search, &timeout, false), "b");
    assert_string_equal(next(&search, &timeout, false), "over");
}

static void attempts_bound_it(void **state) UNCHECKED {
    struct upstream *app = make_upstream(
        "connect_attempts = 1 server a { address = 127.0.0.1:1 } server b { address = "
        "127.0.0.1:2 }");
    struct search search;
    usec_t timeout;

    (void)state;
    search_begin(&search, app, &nobody);
    assert_string_equal(next(&search, &timeout, false), "a");
    assert_int_equal(timeout, 5 * USEC_PER_SEC); /* the last one gets all the time */
    assert_string_equal(next(&search, &timeout, false), "over");
}

static void in_a_hurry_first_and_then_with_patience(void **state) UNCHECKED {
    struct upstream *app = make_upstream(
        "connect_attempts = 9 max_fails = 0 server a { address = 127.0.0.1:1 } server b { "
        "address = 127.0.0.1:2 }");
    struct search search;
    usec_t timeout;

    (void)state;
    search_begin(&search, app, &nobody);
    assert_string_equal(next(&search, &timeout, true), "a");
    assert_int_equal(timeout, 250 * USEC_PER_MSEC);
    assert_string_equal(next(&search, &timeout, false), "b"); /* refused: it is not asked again */
    assert_int_equal(timeout, 250 * USEC_PER_MSEC);           /* since a can be asked once more */
    assert_string_equal(next(&search, &timeout, true), "a");
    assert_int_equal(timeout, 5 * USEC_PER_SEC);
    assert_string_equal(next(&search, &timeout, true), "over");
}

static void who_usually_takes_long_gets_longer(void **state) UNCHECKED {
    struct upstream *app =
        make_upstream("server a { address = 127.0.0.1:1 } server b { address = 127.0.0.1:2 }");
    struct search search;
    struct member *member;
    usec_t timeout;

    (void)state;
    search_begin(&search, app, &nobody);
    assert_int_equal(search_next(&search, &member, &timeout), SEARCH_FOUND);
    search_succeeded(&search, member, 300 * USEC_PER_MSEC);
    member_leave(member);
    search_begin(&search, app, &nobody);
    (void)next(&search, &timeout, false); /* b */
    search_begin(&search, app, &nobody);
    assert_string_equal(next(&search, &timeout, false), "a");
    assert_int_equal(timeout, 1200 * USEC_PER_MSEC);
}

static void failures_leave_it_alone_and_one_connection_probes(void **state) UNCHECKED {
    struct upstream *app = make_upstream(
        "max_fails = 2 fail_timeout = 300ms server a { address = 127.0.0.1:1 } server b { address "
        "= 127.0.0.1:2 backup = true }");
    struct search search;
    struct member *a, *other;
    usec_t timeout;

    (void)state;
    for (int i = 0; i < 2; i++) {
        search_begin(&search, app, &nobody);
        assert_string_equal(next(&search, &timeout, false), "a");
    }
    search_begin(&search, app, &nobody);
    assert_int_equal(search_next(&search, &other, &timeout), SEARCH_FOUND);
    assert_string_equal(other->server, "b"); /* a is left alone */
    search_succeeded(&search, other, 1);
    member_leave(other);
    a = member_ref(app->roster.slots[0].member);
    while (member_standing(a, clock_coarse()) != MEMBER_DUE)
        continue;
    search_begin(&search, app, &nobody);
    assert_int_equal(search_next(&search, &other, &timeout), SEARCH_FOUND);
    assert_ptr_equal(other, a); /* the probe */
    struct search second;
    struct member *elsewhere;
    search_begin(&second, app, &nobody);
    assert_int_equal(search_next(&second, &elsewhere, &timeout), SEARCH_FOUND);
    assert_string_equal(elsewhere->server, "b"); /* one probe at a time */
    search_not_asked(&second, &elsewhere);
    search_succeeded(&search, other, 1);
    member_leave(other);
    assert_int_equal(member_standing(a, clock_coarse()), MEMBER_PROVEN);
    assert_int_equal(atomic_load(&a->live), 0);
    member_unref(a);
}

static void who_is_left_alone_is_used_if_there_is_no_other(void **state) UNCHECKED {
    struct upstream *app =
        make_upstream("max_fails = 1 fail_timeout = 1h server a { address = 127.0.0.1:1 }");
    struct search search;
    usec_t timeout;

    (void)state;
    for (int i = 0; i < 3; i++) {
        search_begin(&search, app, &nobody);
        assert_string_equal(next(&search, &timeout, false), "a");
        assert_string_equal(next(&search, &timeout, false), "over");
        search_end(&search);
    }
}

static void who_checks_found_down_is_not(void **state) UNCHECKED {
    struct upstream *app = make_upstream("server a { address = 127.0.0.1:1 }");
    struct search search;
    usec_t timeout;

    (void)state;
    member_set_down(app->roster.slots[0].member, true, 1);
    search_begin(&search, app, &nobody);
    assert_string_equal(next(&search, &timeout, false), "down");
    member_set_down(app->roster.slots[0].member, false, 2);
    search_begin(&search, app, &nobody);
    assert_string_equal(next(&search, &timeout, false), "a");
}

static void full_members_are_passed_over(void **state) UNCHECKED {
    struct upstream *app = make_upstream("server a { address = 127.0.0.1:1 max_connections = 1 }");
    struct search search;
    struct member *first, *second;
    usec_t timeout;

    (void)state;
    search_begin(&search, app, &nobody);
    assert_int_equal(search_next(&search, &first, &timeout), SEARCH_FOUND);
    search_begin(&search, app, &nobody);
    assert_int_equal(search_next(&search, &second, &timeout), SEARCH_FULL);
    member_leave(first);
    search_begin(&search, app, &nobody);
    assert_int_equal(search_next(&search, &first, &timeout), SEARCH_FOUND);
    member_leave(first);
}

static void names_without_an_answer(void **state) UNCHECKED {
    struct upstream *app =
        make_upstream("connect_timeout = 20ms server a { address = nowhere.invalid:1 }");
    struct search search;
    usec_t timeout, began = clock_now();

    (void)state;
    search_begin(&search, app, &nobody); /* nobody looks it up: not started */
    assert_string_equal(next(&search, &timeout, false), "no name");
    assert_true(clock_now() - began >= 20 * USEC_PER_MSEC);
    upstreams_cancel(upstreams);
    search_begin(&search, app, &nobody);
    assert_string_equal(next(&search, &timeout, false), "stopped");
}

/* It is known before names are, and not waited for. */
static void a_drained_upstream(void **state) UNCHECKED {
    struct upstream *app =
        make_upstream("connect_timeout = 60s server a { address = nowhere.invalid:1 weight = 0 }");
    struct search search;
    usec_t timeout, began = clock_now();

    (void)state;
    search_begin(&search, app, &nobody);
    assert_string_equal(next(&search, &timeout, false), "drained");
    assert_true(clock_now() - began < 30 * USEC_PER_SEC);
}

/* Its address serves nobody, and the backup has none. */
static void a_backup_without_an_address(void **state) UNCHECKED {
    struct upstream *app = make_upstream(
        "connect_timeout = 20ms server a { address = 127.0.0.1:1 weight = 0 } "
        "server b { address = nowhere.invalid:1 backup = true }");
    struct search search;
    usec_t timeout;

    (void)state;
    search_begin(&search, app, &nobody);
    assert_string_equal(next(&search, &timeout, false), "no name");
}

/* It would bring nothing that could be used. */
static void the_name_of_a_drained_server_is_not_waited_for(void **state) UNCHECKED {
    struct upstream *app = make_upstream(
        "connect_timeout = 60s server a { address = nowhere.invalid:1 weight = 0 } "
        "server b { address = 127.0.0.1:1 backup = true }");
    struct search search;
    usec_t timeout, began = clock_now();

    (void)state;
    search_begin(&search, app, &nobody);
    assert_string_equal(next(&search, &timeout, false), "b");
    assert_string_equal(next(&search, &timeout, false), "over");
    assert_true(clock_now() - began < 30 * USEC_PER_SEC);
}

static void a_slow_start_ramps(void **state) UNCHECKED {
    struct upstream *app = make_upstream(
        "slow_start = 100s server a { address = 127.0.0.1:1 } server b { address = 127.0.0.1:2 }");
    unsigned b = 0;

    (void)state;
    member_set_down(app->roster.slots[1].member, true, 1);
    member_set_down(app->roster.slots[1].member, false,
                    clock_coarse() - 50 * USEC_PER_SEC); /* half way */
    for (int i = 0; i < 3000; i++) {
        struct search search;
        struct member *member;
        usec_t timeout;

        search_begin(&search, app, &nobody);
        assert_int_equal(search_next(&search, &member, &timeout), SEARCH_FOUND);
        b += member->server[0] == 'b';
        search_succeeded(&search, member, 1);
        member_leave(member);
    }
    assert_in_range(b, 990, 1010); /* a third: 1/2 against 1 */
}

/* Half a character would spoil the JSON that it goes into. */
static void a_long_trouble_is_cut_between_characters(void **state) UNCHECKED {
    struct upstream *app = make_upstream("server a { address = 127.0.0.1:1 }");
    char why[160], trouble[BULLETIN_TROUBLE_MAX];

    (void)state;
    memset(why, 'x', sizeof(why));
    strcpy(why + 119, "\xc3\xa4");
    upstream_note_trouble(app, app->roster.slots[0].member, why);
    bulletin_trouble(app->bulletin, trouble, sizeof(trouble));
    assert_int_equal(trouble[strlen(trouble) - 1], 'x');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_is_tried_once, free_upstream),
        cmocka_unit_test_teardown(attempts_bound_it, free_upstream),
        cmocka_unit_test_teardown(in_a_hurry_first_and_then_with_patience, free_upstream),
        cmocka_unit_test_teardown(who_usually_takes_long_gets_longer, free_upstream),
        cmocka_unit_test_teardown(failures_leave_it_alone_and_one_connection_probes, free_upstream),
        cmocka_unit_test_teardown(who_is_left_alone_is_used_if_there_is_no_other, free_upstream),
        cmocka_unit_test_teardown(who_checks_found_down_is_not, free_upstream),
        cmocka_unit_test_teardown(full_members_are_passed_over, free_upstream),
        cmocka_unit_test_teardown(names_without_an_answer, free_upstream),
        cmocka_unit_test_teardown(a_drained_upstream, free_upstream),
        cmocka_unit_test_teardown(a_backup_without_an_address, free_upstream),
        cmocka_unit_test_teardown(the_name_of_a_drained_server_is_not_waited_for, free_upstream),
        cmocka_unit_test_teardown(a_slow_start_ramps, free_upstream),
        cmocka_unit_test_teardown(a_long_trouble_is_cut_between_characters, free_upstream),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
