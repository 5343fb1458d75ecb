/* upstream/again and token: the member for one more request (one thread, so without the lock). */
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "upstream_fixture.h"
#include "base/log.h"
#include "upstream/again.h"
#include "upstream/search.h"
#include "upstream/token.h"

#define KEY "cookie_key = 0123456789abcdef0123456789abcdef "
#define A   "server a { address = 127.0.0.1:1 } "
#define B   "server b { address = 127.0.0.1:2 } "
#define C   "server c { address = 127.0.0.1:3 backup = true } "

static const struct addr nobody = {.len = 0};
static const struct cookie_token none = {0, 0};

static struct upstream *make(const char *text) {
    char all[2048];

    snprintf(all, sizeof(all),
             "listener web { address = :80 mode = http upstream = app } "
             "upstream app { %s }",
             text);
    config = good(all);
    upstreams = upstreams_new(config, NULL, NULL, NULL);
    assert_non_null(upstreams);
    return &upstreams->list[0];
}

static struct member *member_at(struct upstream *app, size_t i) UNCHECKED {
    return app->roster.slots[i].member;
}

static struct cookie_token token_at(struct upstream *app, size_t i) UNCHECKED {
    return app->roster.slots[i].token;
}

/* The name of the one chosen; "": none. */
static const char *choice(struct upstream *app, struct cookie_token token,
                          const struct member *held) {
    static char name[CONFIG_NAME_MAX];
    struct member *member = again_choose(app, &nobody, token, held);

    snprintf(name, sizeof(name), "%s", member != NULL ? member->server : "");
    member_unref(member);
    return name;
}

/* The order of members in the turns of one who has none. */
static void turns(struct upstream *app, const struct member *held, const char *expected) {
    for (size_t i = 0; expected[i] != '\0'; i++)
        assert_int_equal(choice(app, none, held)[0], expected[i]);
}

static void a_token_depends_on_all_that_it_names(void **state) UNCHECKED {
    static const char *const texts[] = {
        "balance = cookie " KEY A B,
        "balance = cookie cookie_key = 0123456789abcdef0123456789abcdeg " A B,
        "balance = cookie " KEY "server a { address = 127.0.0.1:4 } " B,
        "balance = cookie " KEY "server d { address = 127.0.0.1:1 } " B,
    };
    struct cookie_token first[ARRAY_LEN(texts)];

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct upstream *app = make(texts[i]);

        first[i] = token_at(app, 0);
        assert_true(cookie_token_equal(first[i], token_of(app->config, member_at(app, 0))));
        assert_false(cookie_token_equal(first[i], token_at(app, 1)));
        for (size_t k = 0; k < i; k++)
            assert_false(cookie_token_equal(first[i], first[k]));
        free_upstream(state);
    }
    /* Known: the same in each process, on each machine, and in the next version. By
     * hmac(hmac(key, "relayd cookies"), app, a, 127.0.0.1:1, each with a NUL). */
    assert_true(first[0].high == 0xb75c9e977c521f77 && first[0].low == 0x8660d631498b390f);
}

static void without_cookies_there_are_no_tokens(void **state) UNCHECKED {
    struct upstream *app = make("balance_each = request " A B);

    (void)state;
    assert_true(cookie_token_is_none(token_at(app, 0)) && cookie_token_is_none(token_at(app, 1)));
}

static void by_token(void **state) UNCHECKED {
    struct upstream *app = make("balance = cookie " KEY A B);
    struct cookie_token a = token_at(app, 0), other = {a.high, a.low ^ 1};

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_string_equal(choice(app, a, NULL), "a");
    for (int i = 0; i < 5; i++)
        assert_string_equal(choice(app, token_at(app, 1), member_at(app, 0)), "b");
    for (int i = 0; i < 4; i++)
        assert_string_equal(choice(app, other, NULL), i % 2 == 0 ? "a" : "b");
}

static void not_one_that_cannot_be_had(void **state) UNCHECKED {
    struct upstream *app =
        make("balance = cookie " KEY "server a { address = 127.0.0.1:1 max_connections = 1 } " B);
    struct cookie_token a = token_at(app, 0);
    struct member *member = member_at(app, 0);

    (void)state;
    member_enter(member);
    assert_string_equal(choice(app, a, NULL), "b");
    assert_string_equal(choice(app, a, member), "a"); /* the place is its own */
    assert_string_equal(choice(app, a, member_at(app, 1)), "b");
    member_leave(member);
    member_set_down(member, true, clock_now());
    assert_string_equal(choice(app, a, NULL), "b");
    assert_string_equal(choice(app, a, member), "b");
    member_set_down(member, false, clock_now());
    assert_string_equal(choice(app, a, NULL), "a");
}

static void a_backup_only_for_as_long_as_it_is_one(void **state) UNCHECKED {
    struct upstream *app = make("balance = cookie " KEY A C);
    struct cookie_token c = token_at(app, 1);

    (void)state;
    assert_string_equal(choice(app, c, NULL), "a");
    member_set_down(member_at(app, 0), true, clock_now());
    assert_string_equal(choice(app, c, NULL), "c");
    assert_string_equal(choice(app, none, NULL), "c");
    member_set_down(member_at(app, 0), false, clock_now());
    assert_string_equal(choice(app, c, NULL), "a");
    member_set_down(member_at(app, 0), true, clock_now());
    member_set_down(member_at(app, 1), true, clock_now());
    assert_string_equal(choice(app, c, NULL), "");
}

/* Its own connection would end if it went elsewhere. */
static void who_has_one_does_not_count_it(void **state) UNCHECKED {
    struct upstream *app = make("balance = least_connections balance_each = request " A B);

    (void)state;
    member_enter(member_at(app, 0));
    turns(app, NULL, "bbb");
    turns(app, member_at(app, 0), "abab");
    member_enter(member_at(app, 0));
    turns(app, member_at(app, 0), "bbb");
    member_leave(member_at(app, 0));
    member_leave(member_at(app, 0));
}

static void by_turns_and_weight(void **state) UNCHECKED {
    struct upstream *app = make(
        "balance_each = request "
        "server a { address = 127.0.0.1:1 weight = 2 } " B);

    (void)state;
    turns(app, NULL, "abaaba");
}

#define MANY 400 /* more than GROUPS_FROM */

static struct upstream *make_many(void) UNCHECKED {
    static struct endpoint endpoints[MANY];
    struct upstream *app =
        make("balance = cookie " KEY "server a { address = srv:_x._tcp.y max_connections = 2 }");

    for (uint32_t i = 0; i < MANY; i++) {
        endpoints[i] = (struct endpoint){.addr = {.len = sizeof(struct sockaddr_in)}, .weight = 1};
        endpoints[i].addr.u.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = 1};
        endpoints[i].addr.u.in.sin_addr.s_addr = htonl(0x0a000000 + i);
    }
    assert_true(server_learn(&app->servers[0], endpoints, MANY));
    assert_true(enlist_members(app));
    for (size_t i = 0; i < MANY; i++)
        (void)member_dialled(member_at(app, i), 100, 1);
    return app;
}

/* Each gets its share, and a connection that one client has tells nothing to the others. */
static void among_many(void **state) UNCHECKED {
    struct upstream *app = make_many();

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        struct member *member = again_choose(app, &nobody, token_at(app, i), NULL);

        assert_ptr_equal(member, member_at(app, i));
        member_unref(member);
    }
    for (size_t i = 0; i < 2 * (size_t)MANY; i++) {
        struct member *member = again_choose(app, &nobody, none, NULL);

        assert_non_null(member);
        member_enter(member);
        member_unref(member);
        assert_int_equal(atomic_load(&member->live), 1 + i / MANY);
    }
    for (size_t i = 0; i < MANY; i++) {
        struct member *held = member_at(app, i),
                      *member = again_choose(app, &nobody, token_at(app, i), held);

        assert_ptr_equal(member, held);
        member_unref(member);
        assert_null(again_choose(app, &nobody, none, NULL)); /* all are full */
        assert_null(again_choose(app, &nobody, token_at(app, i), NULL));
    }
    for (size_t i = 0; i < 2 * (size_t)MANY; i++)
        member_leave(member_at(app, i % MANY));
}

/* The search goes where it was chosen, and takes no other's turn. */
static void a_search_goes_there_first(void **state) UNCHECKED {
    struct upstream *app = make("balance_each = request " A B);
    struct member *wanted = member_at(app, 1), *member;
    struct search search;
    usec_t timeout;

    (void)state;
    for (int i = 0; i < 3; i++) {
        search_begin(&search, app, &nobody);
        search.wanted = wanted;
        assert_int_equal(search_next(&search, &member, &timeout), SEARCH_FOUND);
        assert_ptr_equal(member, wanted);
        search_failed(&search, &member, ECONNREFUSED);
        assert_int_equal(search_next(&search, &member, &timeout), SEARCH_FOUND);
        assert_string_equal(member->server, "a");
        search_succeeded(&search, member, 1);
        member_leave(member);
        search_end(&search);
        member_set_down(wanted, true, clock_now());
        member_set_down(wanted, false, clock_now());
    }
    member_set_down(wanted, true, clock_now());
    search_begin(&search, app, &nobody);
    search.wanted = wanted;
    assert_int_equal(search_next(&search, &member, &timeout), SEARCH_FOUND);
    assert_string_equal(member->server, "a");
    member_leave(member);
    search_end(&search);
}

static void one_that_is_shunned_is_the_last(void **state) UNCHECKED {
    struct upstream *app = make("max_fails = 0 " A B);
    struct member *member;
    struct search search;
    usec_t timeout;

    (void)state;
    for (int i = 0; i < 4; i++) {
        search_begin(&search, app, &nobody);
        search_shun(&search, member_at(app, 0));
        assert_int_equal(search_next(&search, &member, &timeout), SEARCH_FOUND);
        assert_string_equal(member->server, "b");
        search_failed(&search, &member, ECONNREFUSED);
        assert_int_equal(search_next(&search, &member, &timeout), SEARCH_FOUND);
        assert_string_equal(member->server, "a");
        search_failed(&search, &member, ECONNREFUSED);
        assert_int_equal(search_next(&search, &member, &timeout), SEARCH_OVER);
        search_end(&search);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_depends_on_all_that_it_names),
        cmocka_unit_test_teardown(without_cookies_there_are_no_tokens, free_upstream),
        cmocka_unit_test_teardown(by_token, free_upstream),
        cmocka_unit_test_teardown(not_one_that_cannot_be_had, free_upstream),
        cmocka_unit_test_teardown(a_backup_only_for_as_long_as_it_is_one, free_upstream),
        cmocka_unit_test_teardown(who_has_one_does_not_count_it, free_upstream),
        cmocka_unit_test_teardown(among_many, free_upstream),
        cmocka_unit_test_teardown(by_turns_and_weight, free_upstream),
        cmocka_unit_test_teardown(a_search_goes_there_first, free_upstream),
        cmocka_unit_test_teardown(one_that_is_shunned_is_the_last, free_upstream),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("again", tests, NULL, NULL);
}
