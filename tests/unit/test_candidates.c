/* upstream/candidates among many members: what it costs, and that it goes by the same rules as
 * among few. One thread, so without the lock. */
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cpu_time.h"
#include "upstream_fixture.h"
#include "upstream/search.h"

#define MANY      (SANITIZED ? 2000 : 10000)
#define MOST      400        /* more than GROUPS_FROM */
#define MOST_EACH 5          /* max_connections */
#define FIRST     0x0a000000 /* address */

static struct endpoint endpoints[MANY];

static struct addr address(uint32_t i) {
    struct addr addr = {.len = sizeof(struct sockaddr_in)};

    addr.u.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(80)};
    addr.u.in.sin_addr.s_addr = htonl(FIRST + i);
    return addr;
}

/* An upstream with these options, and n members of the endpoints' weights and priorities; most:
 * connections of each. */
static struct upstream *make(const char *options, int most, size_t n) UNCHECKED {
    char all[1024];

    snprintf(all, sizeof(all), "%s server a { address = srv:_x._tcp.y max_connections = %d }",
             options, most);
    struct upstream *app = make_upstream(all);
    assert_true(server_learn(&app->servers[0], endpoints, n));
    assert_true(enlist_members(app));
    app->n_coming = 0;
    for (size_t i = 0; i < n; i++)
        (void)member_dialled(app->roster.slots[i].member, 100, 1);
    return app;
}

static int set_up(void **state) {
    (void)state;
    for (uint32_t i = 0; i < MANY; i++)
        endpoints[i] = (struct endpoint){.addr = address(i), .weight = 1};
    return 0;
}

static struct member *choose(struct upstream *app, uint32_t client) {
    const struct addr addr = address(client);
    struct search search;
    struct member *member;
    usec_t timeout;

    search_begin(&search, app, &addr);
    assert_int_equal(search_next(&search, &member, &timeout), SEARCH_FOUND);
    search_succeeded(&search, member, 100);
    search_end(&search);
    return member;
}

#define LIVE 64

/* Microseconds of one, of connections that come and go. */
static double cost(const char *options, size_t n, uint32_t times) {
    struct upstream *app = make(options, 0, n);
    struct member *live[LIVE] = {0};
    usec_t began = 0;

    for (uint32_t i = 0; i < LIVE + times; i++) {
        if (i == LIVE)
            began = cpu_time(CLOCK_THREAD_CPUTIME_ID);
        member_leave(live[i % LIVE]);
        live[i % LIVE] = choose(app, i);
    }
    double took = (double)(cpu_time(CLOCK_THREAD_CPUTIME_ID) - began) / times;
    for (size_t i = 0; i < LIVE; i++)
        member_leave(live[i]);
    free_upstream(NULL);
    return took;
}

/* 100 times as many would take 100 times as long if all were looked at; source_hash adds up a hash
 * of each. */
static void one_among_many_costs_little_more(void **state) {
    static const struct {
        const char *options;
        double ratio;
    } all[] = {{"", 40},
               {"balance = least_connections", 40},
               {"balance = random_two", 40},
               {"balance = source_hash", 70}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        double few = cost(all[i].options, MANY / 100, 4000),
               many = cost(all[i].options, MANY, 1000);

        print_message("\"%s\": %.1f us of %d, %.1f us of %d\n", all[i].options, few, MANY / 100,
                      many, MANY);
        assert_true(SANITIZED || many < all[i].ratio * few);
    }
}

/* A turn of all: each is chosen as often as its weight says, but for one. */
static void turns_are_in_proportion(void **state) UNCHECKED {
    static const char *const balances[] = {"round_robin", "least_connections"};
    static unsigned times[MOST];

    (void)state;
    for (size_t b = 0; b < ARRAY_LEN(balances); b++) {
        char options[64];
        uint64_t total = 0;

        snprintf(options, sizeof(options), "balance = %s", balances[b]);
        for (size_t i = 0; i < MOST; i++)
            total += endpoints[i].weight = i % 7 == 0 ? 10 : (unsigned)(1 + i % 2);
        struct upstream *app = make(options, 0, MOST);
        memset(times, 0, sizeof(times));
        for (uint32_t i = 0; i < 3 * total; i++) {
            struct member *member = choose(app, i);

            times[ntohl(member->addr.u.in.sin_addr.s_addr) - FIRST]++;
            if (b == 0) {
                member_leave(member);
                if (i == total) /* the list is made anew: turns go on */
                    assert_true(server_learn(&app->servers[0], endpoints, MOST) &&
                                enlist_members(app));
            } else {
                member_unref(member); /* it keeps its connections */
            }
        }
        for (size_t i = 0; i < MOST; i++)
            assert_in_range(times[i], 3 * endpoints[i].weight - 2, 3 * endpoints[i].weight + 2);
        free_upstream(NULL);
    }
}

/* What a search that has tried none may choose, by looking at all (standing_note, key_of). */
static uint64_t key_of(const struct upstream *app, const struct slot *slot, usec_t now) UNCHECKED {
    enum member_standing standing = member_standing(slot->member, now);
    bool behind = standing != MEMBER_PROVEN && atomic_load(&slot->member->probed) &&
                  app->config->balance != BALANCE_source_hash;

    if (slot_weight(slot) == 0 || standing > MEMBER_DUE ||
        atomic_load(&slot->member->live) >= MOST_EACH)
        return UINT64_MAX;
    return slot->tier + (behind ? 1 << 20 : 0);
}

static bool is_less_busy(const struct slot *a, const struct slot *b) {
    return atomic_load(&a->member->live) * slot_weight(b) <
           atomic_load(&b->member->live) * slot_weight(a);
}

/* The first choice is one of the right ones, whatever the balance. */
static void assert_right(struct upstream *app, const struct member *member, usec_t now) UNCHECKED {
    const struct roster *roster = &app->roster;
    const struct slot *chosen = NULL;

    for (size_t i = 0; i < roster->n; i++)
        if (roster->slots[i].member == member)
            chosen = &roster->slots[i];
    assert_non_null(chosen);
    assert_in_range(key_of(app, chosen, now), 0, UINT64_MAX - 1);
    for (size_t i = 0; i < roster->n; i++) {
        const struct slot *slot = &roster->slots[i];

        assert_false(key_of(app, slot, now) < key_of(app, chosen, now));
        if (app->config->balance == BALANCE_least_connections &&
            key_of(app, slot, now) == key_of(app, chosen, now) &&
            member_is_failing(slot->member) == member_is_failing(member))
            assert_false(is_less_busy(slot, chosen));
    }
}

static void something_happens_to(struct member *member, unsigned what) {
    switch (what % 9) {
    case 0:
        member_set_down(member, !atomic_load(&member->down), 1);
        break;
    case 1:
        (void)member_failed(member, 2, USEC_PER_SEC, clock_coarse());
        break;
    case 2:
        (void)member_failed(member, 1, 20 * USEC_PER_MSEC, clock_coarse());
        break;
    case 3:
        (void)member_claim_probe(member);
        break;
    case 4:
        member_not_asked(member);
        break;
    case 5:
        (void)member_set_cut_off(member, what % 2 == 0 ? ENETUNREACH : 0);
        break;
    default:
        (void)member_dialled(member, 100, clock_coarse());
    }
}

/* One in so many of the members has something happen to it between two choices. */
static void run_of_events(const char *balance, unsigned quiet) UNCHECKED {
    struct member *live[MOST] = {0};
    char options[64];
    unsigned dice = 1;

    snprintf(options, sizeof(options), "balance = %s", balance);
    struct upstream *app = make(options, MOST_EACH, MOST);
    for (size_t i = 0; i < 2 * MOST; i++) {
        for (size_t k = 0; k < app->roster.n / quiet + 1; k++) {
            dice = dice * 1103515245 + 12345;
            something_happens_to(app->roster.slots[dice / 65536 % app->roster.n].member, dice >> 8);
        }
        struct search search;
        struct member *member;
        usec_t timeout, now = clock_coarse();
        const struct addr client = address(dice % 1000);

        search_begin(&search, app, &client);
        atomic_store(&app->reviewed, now);
        enum search_outcome outcome = search_next(&search, &member, &timeout);
        if (clock_coarse() == now && outcome == SEARCH_FOUND && !search.probes &&
            atomic_load(&member->cut_off) == 0) {
            atomic_fetch_sub(&member->live, 1); /* as it was */
            bool claimed = search.free && atomic_exchange(&member->probed, false);
            assert_right(app, member, now);
            atomic_store(&member->probed, claimed);
            atomic_fetch_add(&member->live, 1);
        }
        search_end(&search);
        if (outcome != SEARCH_FOUND)
            continue;
        assert_string_equal(search.server->name, member->server);
        member_leave(live[i % MOST]);
        live[i % MOST] = member;
    }
    for (size_t i = 0; i < MOST; i++)
        member_leave(live[i]);
    free_upstream(NULL);
}

static void it_is_the_same_as_to_look_at_all(void **state) {
    static const char *const balances[] = {"round_robin", "least_connections", "random_two",
                                           "source_hash"};

    (void)state;
    for (size_t i = 0; i < MOST; i++) {
        endpoints[i].weight = (unsigned)(1 + i % 3);
        endpoints[i].priority = i % 50 == 0 ? 0 : i % 3 == 0;
    }
    for (unsigned k = 0; k < 8; k++)
        run_of_events(balances[k % 4], k < 4 ? 10 : MOST);
}
/* All others are dead, as nobody knows yet: each connection finds that out of one at most. */
static void nobody_is_refused_while_one_is_good(void **state) UNCHECKED {
    struct upstream *app = make("connect_attempts = 1 max_fails = 1 fail_timeout = 1h", 0, MOST);
    struct member *good = app->roster.slots[MOST / 2].member;
    size_t all = 0;

    (void)state;
    for (size_t i = 0; i < MOST; i++)
        if (app->roster.slots[i].member != good)
            atomic_store(&app->roster.slots[i].member->usual_dial, 0);
    for (uint32_t i = 0; i < 2 * MOST; i++) {
        const struct addr client = address(i);
        struct search search;
        struct member *member;
        usec_t timeout;
        int failed = 0;

        search_begin(&search, app, &client);
        for (;;) {
            assert_int_equal(search_next(&search, &member, &timeout), SEARCH_FOUND);
            if (member == good)
                break;
            search_failed(&search, &member, ECONNREFUSED);
            failed++;
        }
        assert_in_range(failed, 0, 1);
        all += (size_t)failed;
        search_succeeded(&search, member, 100);
        search_end(&search);
        member_leave(member);
    }
    assert_in_range(all, 1, MOST - 1);
}

/* All are left alone and due for a test: one connection asks, the others are told no. */
static void of_many_that_are_out_one_is_probed(void **state) UNCHECKED {
    static const char *const balances[] = {"round_robin", "least_connections"};
    const struct addr client = address(1);
    struct search one, two;
    struct member *member, *other;
    char options[64];
    usec_t timeout;

    for (size_t i = 0; i < ARRAY_LEN(balances); i++) {
        snprintf(options, sizeof(options), "fail_timeout = 1h balance = %s", balances[i]);
        struct upstream *app = make(options, 0, MOST);
        for (size_t k = 0; k < MOST; k++)
            atomic_store(&app->roster.slots[k].member->out_until,
                         (usec_t)(1 + (k + MOST - 7) % MOST));
        search_begin(&one, app, &client);
        search_begin(&two, app, &client);
        assert_int_equal(search_next(&one, &member, &timeout), SEARCH_FOUND);
        assert_true(one.probes);
        assert_ptr_equal(member, app->roster.slots[7].member); /* left alone for longest */
        assert_int_equal(search_next(&two, &other, &timeout), SEARCH_DOWN);
        search_end(&two);
        search_failed(&one, &member, ECONNREFUSED);
        search_end(&one);
        free_upstream(state);
    }
}

/* Few and many, by each balance: as if they were not there. */
static void backups_serve_while_the_others_are_drained(void **state) UNCHECKED {
    static const char *const balances[] = {"round_robin", "least_connections", "source_hash",
                                           "random_two"};
    static const size_t sizes[] = {1, MOST};
    char options[256];

    for (size_t i = 0; i < ARRAY_LEN(balances) * ARRAY_LEN(sizes); i++) {
        snprintf(options, sizeof(options),
                 "balance = %s server b { address = 127.0.0.1:1 backup = true } server a { address "
                 "= srv:_x._tcp.y weight = 0 }",
                 balances[i / ARRAY_LEN(sizes)]);
        struct upstream *app = make_upstream(options);
        assert_true(server_learn(&app->servers[1], endpoints, sizes[i % ARRAY_LEN(sizes)]));
        assert_true(enlist_members(app));
        for (uint32_t k = 0; k < 10; k++) {
            struct member *member = choose(app, k);

            assert_string_equal(member->server, "b");
            member_leave(member);
        }
        free_upstream(state);
    }
}

static void who_is_back_begins_slowly(void **state) UNCHECKED {
    struct upstream *app;
    unsigned times = 0;

    (void)state;
    endpoints[3].weight = 100;
    app = make("slow_start = 1h", 0, MOST);
    member_set_down(app->roster.slots[3].member, true, 1);
    member_leave(choose(app, 0));
    member_set_down(app->roster.slots[3].member, false, clock_now());
    for (uint32_t i = 0; i < 2 * (MOST + 10); i++) {
        struct member *member = choose(app, i);

        times += member == app->roster.slots[3].member;
        member_leave(member);
    }
    assert_in_range(times, 18, 22); /* a tenth */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_among_many_costs_little_more, set_up, free_upstream),
        cmocka_unit_test_setup_teardown(turns_are_in_proportion, set_up, free_upstream),
        cmocka_unit_test_setup_teardown(nobody_is_refused_while_one_is_good, set_up, free_upstream),
        cmocka_unit_test_setup(of_many_that_are_out_one_is_probed, set_up),
        cmocka_unit_test_setup(backups_serve_while_the_others_are_drained, set_up),
        cmocka_unit_test_setup_teardown(who_is_back_begins_slowly, set_up, free_upstream),
        cmocka_unit_test_setup_teardown(it_is_the_same_as_to_look_at_all, set_up, free_upstream),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("candidates", tests, NULL, NULL);
}
