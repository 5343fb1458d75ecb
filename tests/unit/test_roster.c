/* upstream/enlist, roster and members: which members there are, and what is remembered of them (one
 * thread, so without the lock). */
#include "unit.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "upstream_fixture.h"
#include "base/log.h"
#include "upstream/members.h"
#include "upstream/upstream.h"

static struct endpoint at(const char *text, unsigned priority, unsigned weight) {
    struct addr_spec spec;
    const char *why;

    assert_true(addr_parse(text, &spec, &why));
    return (struct endpoint){.addr = spec.addr, .priority = priority, .weight = weight};
}

static void learn(struct upstream *app, int i, const struct endpoint *list, size_t n) {
    assert_true(server_learn(&app->servers[i], list, n));
    assert_true(enlist_members(app));
}

static struct member *member_at(const struct upstream *app, size_t i) UNCHECKED {
    return app->roster.slots[i].member;
}

static void answers_change_the_list(void **state) UNCHECKED {
    struct upstream *app = make_upstream(
        "server b { address = 127.0.0.9:9 backup = true } server a { address = srv:_x._tcp.y }"
        "server c { address = 127.0.0.8:8 }");
    const struct endpoint first[] = {at("127.0.0.1:1", 10, 5), at("127.0.0.3:1", 10, 1),
                                     at("127.0.0.2:1", 20, 1)};
    const struct endpoint later[] = {at("127.0.0.2:1", 7, 1), at("127.0.0.4:1", 7, 1)};
    const struct member *b = member_at(app, 0), *c = member_at(app, 1);

    (void)state;
    assert_int_equal(app->roster.n, 2);
    learn(app, 1, first, 3);
    assert_int_equal(app->roster.n, 5);
    assert_ptr_equal(member_at(app, 0), b); /* in the order of the servers */
    assert_ptr_equal(member_at(app, 4), c);
    struct member *kept = member_ref(member_at(app, 3)), *gone = member_ref(member_at(app, 1));
    assert_int_equal(app->roster.slots[1].share, 5);
    assert_int_equal(app->roster.slots[1].tier, 0);
    assert_int_equal(app->roster.slots[3].tier, 1); /* the rank, not the number */
    assert_int_equal(app->roster.slots[3].share, 1);
    assert_true(app->roster.slots[0].tier > 65535); /* the backup */
    learn(app, 1, later, 2);
    assert_int_equal(app->roster.n, 4);
    assert_ptr_equal(member_at(app, 1), kept);
    assert_int_equal(app->roster.slots[1].tier, 0);
    assert_int_equal(kept->rosters, 1);
    assert_int_equal(gone->rosters, 0);
    assert_int_equal(atomic_load(&kept->refs), 3); /* the list of all has one, and we */
    member_unref(kept);
    member_unref(gone);
}

/* Its address is gone from the zone, and back. */
static void who_comes_back_is_what_it_was(void **state) UNCHECKED {
    struct upstream *app = make_upstream("server a { address = name:1 }");
    const struct endpoint both[] = {at("127.0.0.1:1", 0, 1), at("127.0.0.2:1", 0, 1)};

    (void)state;
    learn(app, 0, both, 2);
    struct member *one = member_at(app, 0);
    member_enter(one); /* a connection */
    member_set_down(one, true, 1);
    learn(app, 0, &both[1], 1);
    assert_int_equal(app->roster.n, 1);
    learn(app, 0, both, 2);
    assert_ptr_equal(member_at(app, 0), one);
    assert_int_equal(atomic_load(&one->live), 1);
    assert_true(atomic_load(&one->down));
    member_leave(one);
}

/* It was found down under a configuration that checked it, and comes back under one that does
 * not. */
static void who_is_not_checked_is_not_down(void **state) UNCHECKED {
    struct upstream *app = make_upstream("server a { address = name:1 }");
    const struct endpoint known = at("127.0.0.1:1", 0, 1);
    struct member *member = upstreams_member(upstreams, "app", "a", &known.addr);

    (void)state;
    member_set_down(member, true, 1);
    learn(app, 0, &known, 1);
    assert_true(atomic_load(&member->down)); /* the configuration before may stay in force */
    upstreams_begin(upstreams);
    assert_false(atomic_load(&member->down));
    learn(app, 0, &known, 0);
    member_set_down(member, true, 1);
    learn(app, 0, &known, 1);
    assert_false(atomic_load(&member->down));
    member_unref(member);
}

static void a_new_configuration_takes_members_over(void **state) UNCHECKED {
    struct upstream *app =
        make_upstream("server a { address = 127.0.0.1:1 } server n { address = name:1 }");
    const struct endpoint known = at("127.0.0.5:1", 0, 1);
    struct upstreams *old = upstreams;

    (void)state;
    learn(app, 1, &known, 1);
    struct member *one = member_at(app, 0), *five = member_at(app, 1);
    upstreams = upstreams_new(config, old, NULL, NULL);
    assert_non_null(upstreams);
    app = &upstreams->list[0];
    assert_ptr_equal(member_at(app, 0), one);
    assert_int_equal(one->rosters, 2);
    upstreams_free(old); /* before the name is looked up */
    assert_int_equal(one->rosters, 1);
    learn(app, 1, &known, 1);
    assert_ptr_equal(member_at(app, 1), five);
}

/* A connection that was there before, of a name that has not been looked up. */
static void who_is_connected_is_counted_whoever_comes_first(void **state) UNCHECKED {
    struct upstream *app = make_upstream("server a { address = name:1 }");
    const struct endpoint known = at("127.0.0.5:1", 0, 1);
    struct member *early = upstreams_member(upstreams, "app", "a", &known.addr),
                  *other = upstreams_member(upstreams, "gone", "a", &known.addr);

    (void)state;
    member_enter(early);
    assert_int_equal(members_count_live(upstreams->shared.members, "app", "a"), 1);
    learn(app, 0, &known, 1);
    assert_ptr_equal(member_at(app, 0), early);
    assert_ptr_not_equal(early, other);
    member_leave(early);
    member_unref(early);
    member_unref(other);
}

/* A zone that flaps for days: another address each time, one of them with a connection. */
static void what_has_departed_is_bounded(void **state) UNCHECKED {
    struct upstream *app = make_upstream("server a { address = name:1 }");
    const struct endpoint busy = at("127.0.0.1:1", 0, 1);
    struct endpoint next = busy;

    (void)state;
    learn(app, 0, &busy, 1);
    struct member *first = member_at(app, 0);
    member_enter(first);
    for (uint32_t i = 1; i <= 3 * MEMBERS_DEPARTED_MOST; i++) {
        next.addr.u.in.sin_addr.s_addr = htonl(0x0a000000 + i);
        learn(app, 0, &next, 1);
    }
    assert_in_range(members_count(upstreams->shared.members), 2, MEMBERS_DEPARTED_MOST + 8);
    learn(app, 0, &busy, 1);
    assert_ptr_equal(member_at(app, 0), first); /* who has a connection is not forgotten */
    member_leave(first);
}

/* Its name leads elsewhere: it is counted and listed all the same. */
static void who_has_departed_is_counted(void **state) UNCHECKED {
    struct upstream *app = make_upstream("server a { address = name:1 }");
    const struct endpoint before = at("127.0.0.1:1", 0, 1), now = at("127.0.0.2:1", 0, 1);
    struct members *members = upstreams->shared.members;
    struct member *live[2] = {NULL};

    (void)state;
    learn(app, 0, &before, 1);
    struct member *first = member_at(app, 0);
    member_enter(first);
    learn(app, 0, &now, 1);
    struct member *second = member_at(app, 0);
    assert_ptr_not_equal(first, second);
    assert_int_equal(members_list_live(members, NULL, 0), 1);
    member_enter(second);
    assert_int_equal(members_count_live(members, "app", "a"), 2);
    assert_int_equal(members_count_live(members, "app", "b"), 0);
    assert_int_equal(members_count_live(members, "other", "a"), 0);
    member_leave(second);
    assert_int_equal(members_list_live(members, live, 2), 1);
    assert_ptr_equal(live[0], first);
    member_unref(live[0]);
    member_leave(first);
    assert_int_equal(members_list_live(members, live, 2), 0);
}

/* Near linear: 64 times as many take about 64 times as long, where squares would take 4,000
 * times. */
static void many_servers(void **state) UNCHECKED {
    enum { MANY = 16384 };
    static struct endpoint list[MANY];
    struct upstream *app = make_upstream("server a { address = srv:_x._tcp.y }");
    usec_t took[2];

    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        list[i] = at("127.0.0.1:1", 0, 1);
        list[i].addr.u.in.sin_addr.s_addr = htonl(0x0a000000 + i);
    }
    for (int k = 0; k < 2; k++) {
        usec_t began = clock_now();

        learn(app, 0, list, k == 0 ? MANY / 64 : MANY);
        took[k] = clock_now() - began;
    }
    assert_int_equal(app->roster.n, MANY);
    assert_in_range(took[1], 0, 64 * 8 * (took[0] + USEC_PER_MSEC));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(answers_change_the_list, free_upstream),
        cmocka_unit_test_teardown(who_comes_back_is_what_it_was, free_upstream),
        cmocka_unit_test_teardown(who_is_not_checked_is_not_down, free_upstream),
        cmocka_unit_test_teardown(a_new_configuration_takes_members_over, free_upstream),
        cmocka_unit_test_teardown(who_is_connected_is_counted_whoever_comes_first, free_upstream),
        cmocka_unit_test_teardown(what_has_departed_is_bounded, free_upstream),
        cmocka_unit_test_teardown(who_has_departed_is_counted, free_upstream),
        cmocka_unit_test_teardown(many_servers, free_upstream),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
