/* The balancers: what 100,000 picks come to, against the theory. */
#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "upstream/balance.h"

#define PICKS 100000
#define MOST  1000

/* A few servers, as an upstream has them. */
static struct {
    struct candidate list[MOST];
    _Atomic int64_t credit[MOST];
    size_t picked[MOST];
    uint64_t random;
} world;

static void set_up_servers(size_t n, const unsigned *weights) {
    memset(&world, 0, sizeof(world));
    world.random = 88172645463325252ULL;
    for (size_t i = 0; i < n; i++)
        world.list[i] = (struct candidate){.id = hash_bytes(&i, sizeof(i)),
                                           .weight = weights != NULL ? weights[i] : 1,
                                           .credit = &world.credit[i]};
}

static size_t pick(enum balance balance, size_t n, uint64_t client) {
    struct balance_hint hint = {.client = client, .random = &world.random};
    size_t chosen = balance_fns[balance](world.list, n, &hint);

    assert_true(chosen < n);
    world.picked[chosen]++;
    return chosen;
}

/* Each share is within five standard deviations of a binomial distribution: less than one in a
 * million runs would not be, and with a fixed seed none. */
static void assert_shares(size_t n, double picks) {
    double total = 0;

    for (size_t i = 0; i < n; i++)
        total += (double)world.list[i].weight;
    for (size_t i = 0; i < n; i++) {
        double p = (double)world.list[i].weight / total, sigma = sqrt(picks * p * (1 - p));

        assert_true(fabs((double)world.picked[i] - picks * p) <= 5 * sigma + 1);
    }
}

static void round_robin_is_smooth_and_exact(void **state) {
    static const unsigned weights[] = {5, 1, 1};
    char order[8] = "";

    (void)state;
    set_up_servers(3, weights);
    for (int i = 0; i < 7; i++)
        order[i] = (char)('a' + pick(BALANCE_round_robin, 3, 0));
    assert_string_equal(order, "aabacaa");
    for (int i = 7; i < PICKS; i++)
        (void)pick(BALANCE_round_robin, 3, 0);
    assert_in_range(world.picked[0], PICKS * 5 / 7, PICKS * 5 / 7 + 1);
    assert_in_range(world.picked[1], PICKS / 7, PICKS / 7 + 1);
}

static void a_server_that_comes_back_takes_no_burst(void **state) {
    (void)state;
    set_up_servers(3, NULL);
    for (int i = 0; i < 10; i++)
        (void)pick(BALANCE_round_robin, 3, 0);
    for (int i = 0; i < 1000; i++)
        (void)pick(BALANCE_round_robin, 2, 0); /* the third is away */
    memset(world.picked, 0, sizeof(world.picked));
    for (int i = 0; i < 9; i++)
        (void)pick(BALANCE_round_robin, 3, 0);
    assert_in_range(world.picked[2], 2, 4);
}

static void a_weight_that_changes_counts_at_once(void **state) {
    (void)state;
    set_up_servers(2, NULL);
    for (int i = 0; i < 100; i++)
        (void)pick(BALANCE_round_robin, 2, 0);
    world.list[0].weight = 9;
    memset(world.picked, 0, sizeof(world.picked));
    for (int i = 0; i < 1000; i++)
        (void)pick(BALANCE_round_robin, 2, 0);
    assert_in_range(world.picked[0], 899, 901);
}

static void least_connections_keeps_the_loads_even(void **state) {
    static const unsigned weights[] = {1, 2, 3};
    size_t live[3] = {0};

    (void)state;
    set_up_servers(3, weights);
    for (int i = 0; i < PICKS; i++) {
        size_t chosen = pick(BALANCE_least_connections, 3, 0);

        for (size_t k = 0; k < 3; k++)
            assert_false(balance_less_busy(&world.list[k], &world.list[chosen]));
        world.list[chosen].live = ++live[chosen];
        if (i >= 600) { /* 600 connections at a time; each ends somewhere at random */
            size_t gone;

            do
                gone = (size_t)(balance_next_random(&world.random) % 3);
            while (live[gone] == 0);
            world.list[gone].live = --live[gone];
        }
    }
    assert_in_range(live[0], 95, 105);
    assert_in_range(live[1], 195, 205);
    assert_in_range(live[2], 295, 305);
}

static void equals_take_turns(void **state) {
    static const unsigned weights[] = {5, 1, 1};
    char order[8] = "";

    (void)state;
    set_up_servers(3, weights);
    for (int i = 0; i < 7; i++) /* nobody keeps a connection: as in round robin */
        order[i] = (char)('a' + pick(BALANCE_least_connections, 3, 0));
    assert_string_equal(order, "aabacaa");
    set_up_servers(3, NULL);
    world.list[0].live = 1; /* a is not among them */
    for (int i = 0; i < 10; i++)
        (void)pick(BALANCE_least_connections, 3, 0);
    assert_int_equal(world.picked[0], 0);
    assert_int_equal(world.picked[1], 5);
    assert_int_equal(world.picked[2], 5);
}

static void source_hash_shares_and_stays(void **state) {
    static const unsigned weights[] = {1, 2, 3, 4};
    struct candidate reversed[4];

    (void)state;
    set_up_servers(4, weights);
    for (size_t i = 0; i < 4; i++)
        reversed[i] = world.list[3 - i];
    for (uint32_t i = 0; i < PICKS; i++) {
        uint64_t client = hash_bytes(&i, sizeof(i));
        struct balance_hint hint = {.client = client, .random = &world.random};
        size_t chosen = pick(BALANCE_source_hash, 4, client);

        assert_int_equal(3 - balance_fns[BALANCE_source_hash](reversed, 4, &hint), chosen);
    }
    assert_shares(4, PICKS);
}

static void source_hash_moves_only_who_must(void **state) {
    size_t moved = 0, moved_to_new = 0;

    (void)state;
    set_up_servers(11, NULL);
    for (uint32_t i = 0; i < PICKS; i++) {
        uint64_t client = hash_bytes(&i, sizeof(i));
        size_t with_ten = pick(BALANCE_source_hash, 10, client),
               with_nine = pick(BALANCE_source_hash, 9, client);
        size_t with_eleven = pick(BALANCE_source_hash, 11, client);

        if (with_ten != with_nine) {
            assert_int_equal(with_ten, 9); /* nobody else's client moves */
            moved++;
        }
        if (with_eleven != with_ten) {
            assert_int_equal(with_eleven, 10);
            moved_to_new++;
        }
    }
    print_message("one of 10 servers gone: %.2f %% of the clients move; one more: %.2f %%\n",
                  100.0 * (double)moved / PICKS, 100.0 * (double)moved_to_new / PICKS);
    assert_in_range(moved, PICKS * 95 / 1000, PICKS * 105 / 1000);
    assert_in_range(moved_to_new, PICKS * 86 / 1000, PICKS * 96 / 1000);
}

static void random_two_shares_by_weight(void **state) {
    static const unsigned weights[] = {1, 1, 1, 1};

    (void)state;
    set_up_servers(4, weights);
    for (int i = 0; i < PICKS; i++)
        (void)pick(BALANCE_random_two, 4, 0);
    assert_shares(4, PICKS);
}

/* n balls in n bins: one choice makes a maximum of about ln n / ln ln n, two make ln ln n / ln 2
 * (Mitzenmacher). */
static void random_two_is_far_more_even_than_one(void **state) {
    size_t most_of_two = 0, most_of_one = 0;

    (void)state;
    set_up_servers(MOST, NULL);
    for (int i = 0; i < MOST; i++) {
        size_t chosen = pick(BALANCE_random_two, MOST, 0);

        world.list[chosen].live++;
    }
    for (size_t i = 0; i < MOST; i++)
        most_of_two = world.list[i].live > most_of_two ? world.list[i].live : most_of_two;
    set_up_servers(MOST, NULL);
    for (int i = 0; i < MOST; i++)
        world.list[balance_draw(world.list, MOST, MOST, &world.random)].live++;
    for (size_t i = 0; i < MOST; i++)
        most_of_one = world.list[i].live > most_of_one ? world.list[i].live : most_of_one;
    print_message(
        "%d connections on as many servers: at most %zu on one by two choices, %zu by one\n", MOST,
        most_of_two, most_of_one);
    assert_in_range(most_of_two, 2, 4);
    assert_true(most_of_one > most_of_two);
}

static void every_balancer_takes_one_and_a_thousand(void **state) {
    static const size_t sizes[] = {1, 3, 10, 100, 1000};

    (void)state;
    for (size_t b = 0; b < BALANCE_COUNT; b++)
        for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
            set_up_servers(sizes[s], NULL);
            usec_t began = clock_now();
            for (uint64_t i = 0; i < 2000; i++)
                (void)pick((enum balance)b, sizes[s], hash_pair(i, i));
            print_message("balancer %zu, %zu servers: %.0f ns a pick\n", b, sizes[s],
                          (double)(clock_now() - began) / 2);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_robin_is_smooth_and_exact),
        cmocka_unit_test(a_server_that_comes_back_takes_no_burst),
        cmocka_unit_test(a_weight_that_changes_counts_at_once),
        cmocka_unit_test(least_connections_keeps_the_loads_even),
        cmocka_unit_test(equals_take_turns),
        cmocka_unit_test(source_hash_shares_and_stays),
        cmocka_unit_test(source_hash_moves_only_who_must),
        cmocka_unit_test(random_two_shares_by_weight),
        cmocka_unit_test(random_two_is_far_more_even_than_one),
        cmocka_unit_test(every_balancer_takes_one_and_a_thousand),
    };

    return cmocka_run_group_tests_name("balance", tests, NULL, NULL);
}
