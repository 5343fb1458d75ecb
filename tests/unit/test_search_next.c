/* upstream/search_next: what is known of members decides who is asked, how often, and by how many
 * at a time. One thread, so without the lock. */
#include "unit.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "upstream_fixture.h"
#include "base/log.h"
#include "upstream/search.h"

static const struct addr nobody = {.len = 0};

static struct member *named(struct upstream *app, const char *server) UNCHECKED {
    for (size_t i = 0; i < app->roster.n; i++)
        if (strcmp(app->roster.slots[i].member->server, server) == 0)
            return app->roster.slots[i].member;
    fail_msg("no server %s", server);
    return NULL;
}

/* Those that are left alone have been for long enough. */
static void make_due(struct upstream *app) UNCHECKED {
    for (size_t i = 0; i < app->roster.n; i++)
        if (atomic_load(&app->roster.slots[i].member->out_until) != 0)
            atomic_store(&app->roster.slots[i].member->out_until, 1);
}

static struct member *found(struct search *search) {
    struct member *member;
    usec_t timeout;

    assert_int_equal(search_next(search, &member, &timeout), SEARCH_FOUND);
    assert_string_equal(search->server->name, member->server);
    return member;
}

/* One connection: the number of dials that failed before it got to the good server, which is called
 * g; or -1. */
static int connect_once(struct upstream *app, bool swallow, struct member **ret_member) {
    struct search search;
    struct member *member;
    usec_t timeout;
    int failed = 0;

    search_begin(&search, app, &nobody);
    while (search_next(&search, &member, &timeout) == SEARCH_FOUND) {
        assert_string_equal(search.server->name, member->server);
        if (member->server[0] == 'g') {
            search_succeeded(&search, member, 100);
            search_end(&search);
            *ret_member = member;
            return failed;
        }
        if (swallow)
            assert_in_range(timeout, 1, 250 * USEC_PER_MSEC); /* nobody waits for long */
        search_failed(&search, &member, swallow ? ETIMEDOUT : ECONNREFUSED);
        failed++;
    }
    search_end(&search);
    return -1;
}

#define LIVE 5

static void run_against_dead(struct upstream *app, bool swallow) {
    struct member *live[LIVE] = {0}, *good = named(app, "g");

    (void)member_dialled(good, 100, 1);
    for (int i = 0; i < 100; i++) {
        struct member *member = NULL;
        int failed = connect_once(app, swallow, &member);

        assert_in_range(failed, 0, 1);
        assert_ptr_equal(member, good);
        member_leave(live[i % LIVE]); /* it always has some connections */
        live[i % LIVE] = member;
        if (i % 20 == 19)
            make_due(app);
    }
    for (size_t i = 0; i < LIVE; i++)
        member_leave(live[i]);
}

static void nobody_is_refused_while_one_is_good(void **state) {
    static const char *const balances[] = {"round_robin", "least_connections", "source_hash",
                                           "random_two"};
    static const char *const fleets[] = {
        "server g { address = 127.0.0.1:1 } server a { address = 127.0.0.1:2 } server b { address "
        "= 127.0.0.1:3 } server c { address = 127.0.0.1:4 } server d { address = 127.0.0.1:5 }",
        "server a { address = 127.0.0.1:2 } server b { address = 127.0.0.1:3 weight = 100 } server "
        "c { address = 127.0.0.1:4 } server d { address = 127.0.0.1:5 } server g { address = "
        "127.0.0.1:1 }",
        "server a { address = 127.0.0.1:2 } server b { address = 127.0.0.1:3 } server c { address "
        "= 127.0.0.1:4 } server d { address = 127.0.0.1:5 } server g { address = 127.0.0.1:1 "
        "backup = true }",
        "server a { address = 127.0.0.1:2 backup = true } server b { address = 127.0.0.1:3 backup "
        "= true } server c { address = 127.0.0.1:4 backup = true } server g { address = "
        "127.0.0.1:1 }",
    };
    char text[1024];

    (void)state;
    for (size_t fleet = 0; fleet < ARRAY_LEN(fleets); fleet++)
        for (unsigned kind = 0; kind < 4 * 3 * 3 * 2; kind++) {
            unsigned attempts = 1 + kind / 4 % 3, fails = kind / 12 % 3;

            snprintf(text, sizeof(text),
                     "balance = %s connect_attempts = %u max_fails = %u fail_timeout = 1h %s",
                     balances[kind % 4], attempts, fails, fleets[fleet]);
            run_against_dead(make_upstream(text), kind / 36 == 1);
            free_upstream(NULL);
        }
}

static struct endpoint endpoint_at(const char *text, unsigned priority) {
    struct addr_spec spec;
    const char *why;

    assert_true(addr_parse(text, &spec, &why));
    return (struct endpoint){.addr = spec.addr, .priority = priority, .weight = 1};
}

static void srv_priorities_are_no_wall(void **state) UNCHECKED {
    struct upstream *app = make_upstream("fail_timeout = 1h server g { address = srv:_x._tcp.y }");
    const struct endpoint endpoints[] = {
        endpoint_at("127.0.0.1:1", 1), endpoint_at("127.0.0.2:1", 1),
        endpoint_at("127.0.0.3:1", 2), endpoint_at("127.0.0.4:1", 3),
        endpoint_at("127.0.0.5:1", 3), endpoint_at("127.0.0.6:1", 4)};

    (void)state;
    assert_true(server_learn(&app->servers[0], endpoints, ARRAY_LEN(endpoints)));
    assert_true(enlist_members(app));
    struct member *good = app->roster.slots[3].member;
    (void)member_dialled(good, 100, 1);
    for (int i = 0; i < 100; i++) {
        struct search search;

        search_begin(&search, app, &nobody);
        struct member *member = found(&search);
        if (member != good) {
            search_failed(&search, &member, ECONNREFUSED);
            member = found(&search);
        }
        assert_ptr_equal(member, good);
        member_leave(member);
        search_end(&search);
        if (i % 20 == 19)
            make_due(app);
    }
}

static void the_last_of_three_goes_to_a_backup(void **state) {
    struct upstream *app = make_upstream(
        "server a { address = 127.0.0.1:2 } server b { address = 127.0.0.1:3 } server c { address "
        "= 127.0.0.1:4 } server d { address = 127.0.0.1:5 } server g { address = 127.0.0.1:1 "
        "backup = true }");
    struct member *member = NULL;

    (void)state;
    assert_int_equal(connect_once(app, false, &member), 2); /* though nothing was known */
    member_leave(member);
}

static void a_test_is_made_by_one_at_a_time(void **state) {
    struct upstream *app = make_upstream(
        "balance = least_connections connect_attempts = 1 server g { address = 127.0.0.1:1 } "
        "server a { address = 127.0.0.1:2 }");
    struct search one, two;
    struct member *first, *second;

    (void)state;
    (void)member_dialled(named(app, "g"), 100, 1);
    atomic_store(&named(app, "g")->live, 1);
    for (int i = 0; i < 2; i++) { /* fresh, then failing */
        search_begin(&one, app, &nobody);
        first = found(&one);
        if (i == 1)
            while (first->server[0] != 'a') { /* it gets its share by chance */
                member_leave(first);
                search_begin(&one, app, &nobody);
                first = found(&one);
            }
        assert_string_equal(first->server, "a");
        for (int k = 0; k < 20; k++) {
            search_begin(&two, app, &nobody);
            second = found(&two);
            assert_string_equal(second->server, "g");
            member_leave(second);
        }
        search_failed(&one, &first, ECONNREFUSED);
        first = found(&one); /* the test was no attempt */
        assert_string_equal(first->server, "g");
        member_leave(first);
    }
}

static void who_fails_draws_nobody_by_being_idle(void **state) {
    static const char *const balances[] = {"least_connections", "random_two"};

    (void)state;
    for (size_t b = 0; b < ARRAY_LEN(balances); b++) {
        char text[512];
        int failed = 0;

        snprintf(text, sizeof(text),
                 "balance = %s max_fails = 0 server g { address = 127.0.0.1:1 } server h { address "
                 "= 127.0.0.1:2 } server i { address = 127.0.0.1:3 } server a { address = "
                 "127.0.0.1:4 }",
                 balances[b]);
        struct upstream *app = make_upstream(text);
        const char *const good[] = {"g", "h", "i"};
        for (size_t i = 0; i < ARRAY_LEN(good); i++) {
            (void)member_dialled(named(app, good[i]), 100, 1);
            atomic_store(&named(app, good[i])->live, 10);
        }
        for (int i = 0; i < 4000; i++) {
            struct search search;

            search_begin(&search, app, &nobody);
            struct member *member = found(&search);
            if (member->server[0] == 'a') {
                search_failed(&search, &member, ECONNREFUSED);
                failed++;
                member = found(&search);
            }
            member_leave(member);
        }
        assert_in_range(failed, 850, 1150); /* a fourth; all of them if the idle one is preferred */
        free_upstream(NULL);
    }
}

static void source_hash_does_not_move_for_a_failure(void **state) {
    struct upstream *app = make_upstream(
        "balance = source_hash server a { address = 127.0.0.1:1 } server b { address = 127.0.0.1:2 "
        "} server c { address = 127.0.0.1:3 }");
    struct search one, two;

    (void)state;
    (void)member_dialled(named(app, "a"), 100, 1);
    (void)member_dialled(named(app, "b"), 100, 1);
    (void)member_dialled(named(app, "c"), 100, 1);
    search_begin(&one, app, &nobody);
    struct member *first = found(&one), *again, *chosen = first;
    search_failed(&one, &first, ECONNREFUSED);
    search_begin(&one, app, &nobody);
    first = found(&one);
    assert_ptr_equal(first, chosen);
    search_begin(&two, app, &nobody); /* nor while another connection tests it */
    again = found(&two);
    assert_ptr_equal(again, chosen);
    member_leave(again);
    member_leave(first);
}

static void if_all_are_out_one_at_a_time_probes(void **state) {
    struct upstream *app = make_upstream(
        "max_fails = 1 fail_timeout = 1h connect_attempts = 2 server a { address = 127.0.0.1:1 } "
        "server b { address = 127.0.0.1:2 } server c { address = 127.0.0.1:3 backup = true }");
    struct search one, two;
    struct member *member, *other;
    usec_t timeout;

    (void)state;
    usec_t soon = clock_now() + 60 * USEC_PER_SEC;
    atomic_store(&named(app, "a")->out_until, soon + 3);
    atomic_store(&named(app, "b")->out_until, soon + 1);
    atomic_store(&named(app, "c")->out_until, soon + 2);
    search_begin(&one, app, &nobody);
    search_begin(&two, app, &nobody);
    member = found(&one);
    assert_string_equal(member->server, "b"); /* left alone for longest */
    assert_int_equal(search_next(&two, &other, &timeout), SEARCH_DOWN);
    search_end(&two);
    search_failed(&one, &member, ECONNREFUSED);
    member = found(&one);
    assert_string_equal(member->server, "c");
    search_failed(&one, &member, ECONNREFUSED);
    assert_int_equal(search_next(&one, &member, &timeout), SEARCH_OVER);
    search_end(&one);
    search_begin(&two, app, &nobody);
    member = found(&two); /* the next client finds out that it is back */
    assert_string_equal(member->server, "a");
    search_succeeded(&two, member, 100);
    search_end(&two);
    search_begin(&one, app, &nobody);
    other = found(&one);
    assert_string_equal(other->server, "a");
    member_leave(other);
    member_leave(member);
}

static void a_probe_of_one_that_used_to_answer_is_short(void **state) {
    struct upstream *app =
        make_upstream("max_fails = 1 fail_timeout = 1h server a { address = 127.0.0.1:1 }");
    struct search search;
    struct member *member;
    usec_t timeout;

    (void)state;
    for (int i = 0; i < 2; i++) {
        atomic_store(&named(app, "a")->out_until, INT64_MAX);
        search_begin(&search, app, &nobody);
        assert_int_equal(search_next(&search, &member, &timeout), SEARCH_FOUND);
        assert_int_equal(timeout, i == 0 ? 5 * USEC_PER_SEC : 1500 * USEC_PER_MSEC);
        search_succeeded(&search, member, 100);
        member_leave(member);
        search_end(&search);
    }
}

static void the_last_attempt_is_the_proven_ones(void **state) {
    struct upstream *app = make_upstream(
        "connect_attempts = 3 server g { address = 127.0.0.1:1 } server a { address = 127.0.0.1:2 "
        "} server b { address = 127.0.0.1:3 } server c { address = 127.0.0.1:4 }");
    struct search search;
    struct member *member;
    usec_t timeout;

    (void)state;
    (void)member_dialled(named(app, "g"), 100, 1);
    atomic_store(&named(app, "a")->failed, 1);
    atomic_store(&named(app, "b")->failed, 1);
    atomic_store(&named(app, "c")->failed, 1);
    search_begin(&search, app, &nobody);
    member = found(&search);
    assert_string_equal(member->server, "g");
    search_failed(&search, &member, ETIMEDOUT); /* a packet was lost */
    member = found(&search);
    assert_string_not_equal(member->server, "g");
    search_failed(&search, &member, ECONNREFUSED);
    assert_int_equal(search_next(&search, &member, &timeout), SEARCH_FOUND);
    assert_string_equal(member->server, "g");
    assert_int_equal(timeout, 5 * USEC_PER_SEC);
    member_leave(member);
}

static void who_waits_for_a_full_one_does_not_probe(void **state) {
    struct upstream *app = make_upstream(
        "max_fails = 1 fail_timeout = 1h server g { address = 127.0.0.1:1 max_connections = 1 } "
        "server a { address = 127.0.0.1:2 }");
    struct search search;
    struct member *member;
    usec_t timeout;

    (void)state;
    (void)member_dialled(named(app, "g"), 100, 1);
    atomic_store(&named(app, "g")->live, 1);
    atomic_store(&named(app, "a")->out_until, INT64_MAX);
    search_begin(&search, app, &nobody);
    assert_int_equal(search_next(&search, &member, &timeout), SEARCH_FULL);
    search_end(&search);
    make_due(app);
    search_begin(&search, app, &nobody);
    assert_int_equal(search_next(&search, &member, &timeout), SEARCH_FOUND); /* its test */
    assert_int_equal(timeout, 250 * USEC_PER_MSEC);
    search_failed(&search, &member, ETIMEDOUT);
    assert_int_equal(search_next(&search, &member, &timeout), SEARCH_FULL);
    search_end(&search);
}

static void who_is_cut_off_costs_no_attempt(void **state) {
    struct upstream *app = make_upstream(
        "connect_attempts = 1 server a { address = 127.0.0.1:1 } server b { address = 127.0.0.1:2 "
        "} server g { address = 127.0.0.1:3 }");
    struct search search;
    struct member *member;
    usec_t timeout;

    (void)state;
    atomic_store(&app->reviewed, clock_coarse());
    search_begin(&search, app, &nobody);
    for (int i = 0; i < 2; i++) {
        member = found(&search);
        assert_string_equal(member->server, i == 0 ? "a" : "b");
        search_cut_off(&search, &member, ENETUNREACH);
        assert_null(member);
    }
    member = found(&search);
    assert_string_equal(member->server, "g");
    search_failed(&search, &member, ECONNREFUSED);
    assert_int_equal(search_next(&search, &member, &timeout), SEARCH_OVER);
    search_end(&search);
    assert_int_equal(atomic_load(&named(app, "a")->failed), 0);
    for (int i = 0; i < 5; i++) {
        search_begin(&search, app, &nobody);
        member = found(&search);
        assert_string_equal(member->server, "g"); /* though it fails */
        search_succeeded(&search, member, 100);
        member_leave(member);
        search_end(&search);
        atomic_store(&app->reviewed, clock_coarse());
    }
    atomic_store(&app->reviewed, 1); /* long ago: there is a way to both, as is found now */
    search_begin(&search, app, &nobody);
    member_leave(found(&search));
    assert_int_equal(member_standing(named(app, "a"), 1), MEMBER_FRESH);
    assert_int_equal(member_standing(named(app, "b"), 1), MEMBER_FRESH);
}

static void if_all_are_cut_off_each_is_asked_once(void **state) {
    struct upstream *app = make_upstream(
        "connect_attempts = 2 server a { address = 127.0.0.1:1 } server b { address = 127.0.0.1:2 "
        "} server c { address = 127.0.0.1:3 }");
    struct search search;
    struct member *member;
    usec_t timeout;

    (void)state;
    for (int round = 0; round < 2; round++) {
        search_begin(&search, app, &nobody);
        atomic_store(&app->reviewed, clock_coarse());
        for (int i = 0; i < 3; i++) {
            member = found(&search);
            search_cut_off(&search, &member, EADDRNOTAVAIL);
        }
        assert_int_equal(search_next(&search, &member, &timeout), SEARCH_OVER);
        search_end(&search);
    }
    search_begin(&search, app, &nobody);
    member = found(&search);
    search_succeeded(&search, member, 100);
    assert_int_equal(member_standing(member, 1), MEMBER_PROVEN);
    member_leave(member);
    search_end(&search);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nobody_is_refused_while_one_is_good, free_upstream),
        cmocka_unit_test_teardown(srv_priorities_are_no_wall, free_upstream),
        cmocka_unit_test_teardown(the_last_of_three_goes_to_a_backup, free_upstream),
        cmocka_unit_test_teardown(a_test_is_made_by_one_at_a_time, free_upstream),
        cmocka_unit_test_teardown(who_fails_draws_nobody_by_being_idle, free_upstream),
        cmocka_unit_test_teardown(source_hash_does_not_move_for_a_failure, free_upstream),
        cmocka_unit_test_teardown(if_all_are_out_one_at_a_time_probes, free_upstream),
        cmocka_unit_test_teardown(a_probe_of_one_that_used_to_answer_is_short, free_upstream),
        cmocka_unit_test_teardown(the_last_attempt_is_the_proven_ones, free_upstream),
        cmocka_unit_test_teardown(who_is_cut_off_costs_no_attempt, free_upstream),
        cmocka_unit_test_teardown(if_all_are_cut_off_each_is_asked_once, free_upstream),
        cmocka_unit_test_teardown(who_waits_for_a_full_one_does_not_probe, free_upstream),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("search_next", tests, NULL, NULL);
}
