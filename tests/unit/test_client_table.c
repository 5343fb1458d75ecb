/* relay/client_table: limits are exact, and memory is bounded whatever addresses come. */
#include "unit.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "relay/client_table.h"

static struct client_table *table;

static int set_up(void **state) {
    (void)state;
    table = client_table_new();
    return table == NULL;
}

static int tear_down(void **state) {
    (void)state;
    client_table_free(table);
    return 0;
}

static struct addr ip(const char *text) {
    struct addr addr;
    const char *why;

    assert_true(addr_parse_ip(text, &addr, &why));
    return addr;
}

static enum client_outcome enter(const char *text, int64_t most, int64_t rate, usec_t now,
                                 struct client_entry **entry) {
    struct addr addr = ip(text);

    return client_table_enter(table, &addr, most, rate, now, entry);
}

static void connections_are_counted_exactly(void **state) {
    struct client_entry *entries[3], *other;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(enter("192.0.2.1", 3, 0, 1, &entries[i]), CLIENT_OK);
    assert_int_equal(enter("192.0.2.1", 3, 0, 1, &other), CLIENT_TOO_MANY);
    assert_null(other);
    assert_int_equal(enter("::ffff:192.0.2.1", 3, 0, 1, &other),
                     CLIENT_TOO_MANY); /* the same one */
    assert_int_equal(enter("192.0.2.2", 3, 0, 1, &other), CLIENT_OK);
    client_table_leave(table, other);
    client_table_leave(table, entries[0]);
    assert_int_equal(enter("192.0.2.1", 3, 0, 1, &entries[0]), CLIENT_OK);
    for (int i = 0; i < 3; i++)
        client_table_leave(table, entries[i]);
    assert_int_equal(client_table_size(table), 0); /* without a rate nothing is remembered */
    client_table_leave(table, NULL);
}

static void ipv6_clients_are_a_64(void **state) {
    struct client_entry *one, *other;

    (void)state;
    assert_int_equal(enter("2001:db8:1:2::1", 1, 0, 1, &one), CLIENT_OK);
    assert_int_equal(enter("2001:db8:1:2:ffff::9", 1, 0, 1, &other), CLIENT_TOO_MANY);
    assert_int_equal(enter("2001:db8:1:3::1", 1, 0, 1, &other), CLIENT_OK);
    client_table_leave(table, one);
    client_table_leave(table, other);
}

/* Who came while there was no limit is there when one comes. */
static void clients_are_counted_without_a_limit(void **state) {
    struct client_entry *entries[3], *other;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(enter("192.0.2.1", 0, 0, 1, &entries[i]), CLIENT_OK);
        assert_non_null(entries[i]);
    }
    assert_int_equal(enter("192.0.2.1", 3, 0, 1, &other), CLIENT_TOO_MANY);
    client_table_leave(table, entries[0]);
    assert_int_equal(enter("192.0.2.1", 3, 0, 1, &entries[0]), CLIENT_OK);
    for (int i = 0; i < 3; i++)
        client_table_leave(table, entries[i]);
    assert_int_equal(client_table_size(table), 0);
}

static void what_is_not_counted(void **state) {
    struct addr unix_addr = {.len = sizeof(sa_family_t), .u.sa.sa_family = AF_UNIX};
    struct client_entry *entry;

    (void)state;
    assert_int_equal(client_table_enter(table, &unix_addr, 1, 1, 1, &entry), CLIENT_OK);
    assert_null(entry);
    assert_int_equal(client_table_size(table), 0);
}

/* How many of `tries` connections, at this moment, are let in; all end at once. */
static int burst(int tries, int64_t rate, usec_t now) {
    struct client_entry *entry;
    int in = 0;

    for (int i = 0; i < tries; i++) {
        if (enter("192.0.2.1", 0, rate, now, &entry) != CLIENT_OK)
            continue;
        client_table_leave(table, entry);
        in++;
    }
    return in;
}

static void a_burst_is_twice_the_rate_and_then_the_rate(void **state) {
    usec_t now = 1000 * USEC_PER_SEC;

    (void)state;
    assert_int_equal(burst(100, 10, now), 20);
    assert_int_equal(burst(100, 10, now + USEC_PER_SEC), 10); /* what was refused took nothing */
    assert_int_equal(burst(100, 10, now + USEC_PER_SEC), 0);
    assert_int_equal(burst(100, 10, now + USEC_PER_SEC + 100 * USEC_PER_MSEC), 1);
    assert_int_equal(burst(100, 10, now + 100 * USEC_PER_SEC), 20);
    assert_int_equal(burst(3, 1, now + 200 * USEC_PER_SEC), 2);
    assert_int_equal(burst(3000000, 1000000, now + 300 * USEC_PER_SEC), 2000000);
}

static void a_million_clients_take_bounded_memory(void **state) {
    struct addr addr = ip("10.0.0.0");
    struct client_entry *entry;
    size_t before = mallinfo2().uordblks, most = 0;
    usec_t began = clock_now();

    (void)state;
    for (uint32_t i = 0; i < 1000000; i++) {
        addr.u.in.sin_addr.s_addr = htonl(0x0a000000 + i);
        assert_int_equal(client_table_enter(table, &addr, 10, 1, 1, &entry), CLIENT_OK);
        client_table_leave(table, entry);
        most = client_table_size(table) > most ? client_table_size(table) : most;
    }
    usec_t took = clock_now() - began;
    size_t bytes = mallinfo2().uordblks - before;
    print_message("a million clients: %zu entries at most, %zu bytes, %.0f ns for a connection\n",
                  most, bytes, (double)took / 1000);
    assert_in_range(most, CLIENT_TABLE_IDLE_MAX, CLIENT_TABLE_IDLE_MAX + 1);
    assert_true(bytes < CLIENT_TABLE_IDLE_MAX * 128);
    /* The latest are remembered, the oldest forgotten. */
    assert_int_equal(client_table_enter(table, &addr, 0, 1, 1, &entry),
                     CLIENT_OK); /* the burst is two */
    client_table_leave(table, entry);
    assert_int_equal(client_table_enter(table, &addr, 0, 1, 1, &entry), CLIENT_TOO_FAST);
    assert_int_equal(enter("10.0.0.0", 0, 1, 1, &entry), CLIENT_OK);
    client_table_leave(table, entry);
    /* Once their buckets are full, all go as others come. */
    for (uint32_t i = 0; i < CLIENT_TABLE_IDLE_MAX + 2; i++) {
        assert_int_equal(enter("10.0.0.0", 9, 1, 100 * USEC_PER_SEC + i * USEC_PER_SEC, &entry),
                         CLIENT_OK);
        client_table_leave(table, entry);
    }
    assert_in_range(client_table_size(table), 0, 2);
}

static void come_and_go(void *arg) {
    struct client_entry *own[8], *shared;
    char text[32];

    snprintf(text, sizeof(text), "192.0.2.%d", *(const int *)arg);
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < 8; i++)
            assert_int_equal(enter(text, 8, 0, 1, &own[i]), CLIENT_OK);
        assert_int_equal(enter("198.51.100.1", 4, 0, 1, &shared), CLIENT_OK);
        for (int i = 0; i < 8; i++)
            client_table_leave(table, own[i]);
        client_table_leave(table, shared);
    }
}

static void threads_count_right(void **state) {
    struct thread threads[4] = {0};
    int numbers[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        numbers[i] = i + 1;
        assert_int_equal(thread_start(&threads[i], "client", NULL, come_and_go, &numbers[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        thread_join(&threads[i]);
    assert_int_equal(client_table_size(table), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connections_are_counted_exactly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ipv6_clients_are_a_64, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clients_are_counted_without_a_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_burst_is_twice_the_rate_and_then_the_rate, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_million_clients_take_bounded_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_count_right, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("client_table", tests, NULL, NULL);
}
