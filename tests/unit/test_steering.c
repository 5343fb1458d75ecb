/* record/steering and upstream/orders: what operators have ordered, and what of it is believed. */
#include "unit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "upstream/orders.h"

static struct server_order drained(const char *server) {
    struct server_order order = {
        .by_uid = 7, .state = ORDER_DRAIN, .weight = ORDER_FILE, .since = clock_now()};

    snprintf(order.upstream, sizeof(order.upstream), "app");
    snprintf(order.server, sizeof(order.server), "%s", server);
    return order;
}

static void each_byte_is_covered(void **state) {
    struct server_order order = drained("a"), row = {.sum = 0}, spoilt;

    (void)state;
    steering_write_server(&row, &order);
    assert_true(steering_has_server(&row, clock_now()));
    for (size_t i = 0; i < sizeof(row); i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(&spoilt, &row, sizeof(row));
            ((unsigned char *)&spoilt)[i] ^= (unsigned char)(1u << bit);
            assert_false(steering_has_server(&spoilt, clock_now()));
        }
    steering_write_server(&row, NULL);
    assert_false(steering_has_server(&row, clock_now()));
}

static void each_byte_of_a_block_is_covered(void **state) {
    const struct blocked_prefix block = {
        .by_uid = 7, .prefix = {.bytes = {0x20, 1}, .bits = 16}, .since = clock_now()};
    struct blocked_prefix row = {.sum = 0}, spoilt;

    (void)state;
    steering_write_block(&row, &block);
    assert_true(steering_has_block(&row, clock_now()));
    for (size_t i = 0; i < sizeof(row); i++) {
        memcpy(&spoilt, &row, sizeof(row));
        ((unsigned char *)&spoilt)[i] ^= 0x10;
        assert_false(steering_has_block(&spoilt, clock_now()));
    }

#define NO_BLOCK(change)                                                                           \
    do {                                                                                           \
        struct blocked_prefix bad = block;                                                         \
        change;                                                                                    \
        steering_write_block(&row, &bad);                                                          \
        assert_false(steering_has_block(&row, clock_now()));                                       \
    } while (0)

    NO_BLOCK(bad.prefix.bits = 129);
    NO_BLOCK(bad.prefix.bits = 8); /* a bit is set beyond */
    NO_BLOCK(bad.unused = 1);
    NO_BLOCK(bad.since = clock_now() + USEC_PER_SEC);
    NO_BLOCK(bad.until = 1); /* it is over */
}

static void each_byte_of_lameness_is_covered(void **state) {
    const struct lame_order lame = {.by_uid = 7, .since = clock_now()};
    struct lame_order row = {.sum = 0}, spoilt;

    (void)state;
    steering_write_lame(&row, &lame);
    assert_true(steering_has_lame(&row, clock_now()));
    for (size_t i = 0; i < sizeof(row); i++) {
        memcpy(&spoilt, &row, sizeof(row));
        ((unsigned char *)&spoilt)[i] ^= 0x10;
        assert_false(steering_has_lame(&spoilt, clock_now()));
    }
}

/* A right sum makes nothing true that cannot be. */
static void nonsense_is_left_out(void **state) {
    struct server_order good = drained("a"), row = {.sum = 0};

#define LEFT_OUT(change)                                                                           \
    do {                                                                                           \
        struct server_order bad = good;                                                            \
        change;                                                                                    \
        steering_write_server(&row, &bad);                                                         \
        assert_false(steering_has_server(&row, clock_now()));                                      \
    } while (0)

    (void)state;
    LEFT_OUT(bad.state = ORDER_STATES);
    LEFT_OUT(bad.state = ORDER_NONE); /* nothing is ordered */
    LEFT_OUT(bad.weight = -2);
    LEFT_OUT(bad.weight = 1001);
    LEFT_OUT(bad.since = -1);
    LEFT_OUT(bad.since = clock_now() + USEC_PER_SEC);
    LEFT_OUT(bad.upstream[0] = '\0');
    LEFT_OUT(memset(bad.server, 'x', sizeof(bad.server)));
    LEFT_OUT(bad.server[sizeof(bad.server) - 1] = 'x');
}

static void of_two_the_later_stays(void **state) {
    struct steering *steering = calloc(1, sizeof(*steering));
    struct server_order first = drained("a"), later = first;

    (void)state;
    later.state = ORDER_DOWN;
    first.since = later.since - 1;
    steering_write_server(&steering->servers[200], &first);
    steering_write_server(&steering->servers[3], &later);
    steering->servers[9].sum = 17;
    steering_tidy(steering, clock_now());
    for (size_t i = 0; i < STEERING_SERVERS; i++)
        assert_int_equal(atomic_load(&steering->servers[i].sum) != 0, i == 3);
    free(steering);
}

static void a_killed_process_leaves_its_orders(void **state) {
    struct steering *steering = calloc(1, sizeof(*steering));
    struct server_order found;

    (void)state;
    orders_use(steering->servers);
    assert_int_equal(orders_set_state("app", "a", ORDER_DRAIN, 5), ORDER_DONE);
    assert_int_equal(orders_set_weight("app", "a", 9, 6), ORDER_DONE);
    assert_int_equal(orders_set_weight("app", "b", 0, 6), ORDER_DONE);
    struct steering *left = malloc(sizeof(*left));
    memcpy(left, steering, sizeof(*left));
    orders_use(NULL);
    assert_false(orders_find("app", "a", &found));
    assert_int_equal(atomic_load(&orders_count), 0);
    steering_tidy(left, clock_now());
    orders_use(left->servers);
    assert_true(orders_find("app", "a", &found));
    assert_int_equal(found.state, ORDER_DRAIN);
    assert_int_equal(found.weight, 9);
    assert_int_equal(found.by_uid, 6);
    assert_true(orders_find("app", "b", &found));
    assert_int_equal(found.weight, 0);
    assert_int_equal(orders_reset(NULL, NULL), 2);
    steering_tidy(left, clock_now());
    for (size_t i = 0; i < STEERING_SERVERS; i++)
        assert_int_equal(atomic_load(&left->servers[i].sum), 0);
    orders_use(NULL);
    free(left);
    free(steering);
}

static void an_order_is_seen_by_all_who_have_the_server(void **state) {
    struct order *one = orders_get("app", "a"), *same = orders_get("app", "a"),
                 *other = orders_get("web", "a");

    (void)state;
    assert_ptr_equal(one, same);
    assert_ptr_not_equal(one, other);
    assert_int_equal(order_weight(one, 3), 3);
    uint64_t before = orders_changes();
    assert_int_equal(orders_set_weight("app", "a", 1000, 0), ORDER_DONE);
    assert_true(orders_changes() > before);
    assert_int_equal(order_weight(one, 3), 1000);
    assert_int_equal(order_weight(other, 3), 3);
    assert_int_equal(orders_set_state("app", "a", ORDER_DOWN, 0), ORDER_DONE);
    assert_int_equal(order_weight(same, 3), 0);
    assert_int_equal(orders_set_state("app", "a", ORDER_NONE, 0), ORDER_DONE);
    assert_int_equal(order_weight(same, 3), 1000); /* ready lifts no weight */
    assert_int_equal(orders_set_weight("app", "a", ORDER_FILE, 0), ORDER_DONE);
    assert_int_equal(order_weight(same, 3), 3);
    assert_int_equal(atomic_load(&orders_count), 0);
    orders_unref(one);
    orders_unref(same);
    orders_unref(other);
}

static void there_is_room_for_so_many(void **state) {
    char name[16];

    (void)state;
    for (int i = 0; i < STEERING_SERVERS; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        assert_int_equal(orders_set_state("app", name, ORDER_DRAIN, 0), ORDER_DONE);
    }
    assert_int_equal(orders_set_state("app", "more", ORDER_DRAIN, 0), ORDER_NO_ROOM);
    assert_int_equal(orders_set_state("app", "s7", ORDER_DOWN, 0), ORDER_DONE);
    assert_int_equal(orders_set_state("app", "more", ORDER_NONE, 0), ORDER_DONE);
    assert_int_equal(orders_reset("app", "more"), 0);
    assert_int_equal(orders_reset("app", "s9"), 1);
    assert_int_equal(orders_set_state("app", "more", ORDER_DRAIN, 0), ORDER_DONE);
    assert_int_equal(orders_reset(NULL, NULL), STEERING_SERVERS);
}

static void the_newer_block_of_a_prefix_counts(void **state) {
    static struct steering steering;
    usec_t now = clock_now();
    struct blocked_prefix block = {
        .prefix = {.bytes = {0x20, 1}, .bits = 16}, .by_uid = 1, .since = now - 20, .until = 0};

    (void)state;
    steering_write_block(&steering.blocks[3], &block);
    block.since = now - 10;
    block.until = now - 5; /* it was for a moment, and is over */
    steering_write_block(&steering.blocks[1], &block);
    steering_tidy(&steering, now);
    for (size_t i = 0; i < STEERING_BLOCKS; i++)
        assert_false(steering_has_block(&steering.blocks[i], now));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_is_covered),
        cmocka_unit_test(each_byte_of_a_block_is_covered),
        cmocka_unit_test(the_newer_block_of_a_prefix_counts),
        cmocka_unit_test(each_byte_of_lameness_is_covered),
        cmocka_unit_test(nonsense_is_left_out),
        cmocka_unit_test(of_two_the_later_stays),
        cmocka_unit_test(a_killed_process_leaves_its_orders),
        cmocka_unit_test(an_order_is_seen_by_all_who_have_the_server),
        cmocka_unit_test(there_is_room_for_so_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
