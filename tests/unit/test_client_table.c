/* listen/client_table: limits are exact, and memory is bounded whatever addresses come. */
#include "unit.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "listen/client_table.h"

#define MANY (SANITIZED ? 100000 : 1000000)

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
                                 struct client_seat **entry) {
    struct addr addr = ip(text);

    return client_table_enter(table, &addr, most, rate, now, entry);
}

static void connections_are_counted_exactly(void **state) {
    struct client_seat *entries[3], *other;

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
    struct client_seat *one, *other;

    (void)state;
    assert_int_equal(enter("2001:db8:1:2::1", 1, 0, 1, &one), CLIENT_OK);
    assert_int_equal(enter("2001:db8:1:2:ffff::9", 1, 0, 1, &other), CLIENT_TOO_MANY);
    assert_int_equal(enter("2001:db8:1:3::1", 1, 0, 1, &other), CLIENT_OK);
    client_table_leave(table, one);
    client_table_leave(table, other);
}

static void an_ipv4_host_is_one_client_however_it_comes(void **state) {
    static const char *const same[] = {"64:ff9b::192.0.2.33", "2002:c000:221::7",
                                       "2002:c000:221:9::7", "::ffff:192.0.2.33"};
    struct client_seat *one, *other;

    (void)state;
    client_table_regroup(table, 128);
    assert_int_equal(enter("192.0.2.33", 1, 0, 1, &one), CLIENT_OK);
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        assert_int_equal(enter(same[i], 1, 0, 1, &other), CLIENT_TOO_MANY);
    assert_int_equal(enter("64:ff9b::192.0.2.34", 1, 0, 1, &other), CLIENT_OK);
    client_table_leave(table, one);
    client_table_leave(table, other);
}

static void a_client_is_as_many_bits_as_is_said(void **state) {
    static const struct {
        unsigned bits;
        const char *same, *other;
    } cases[] = {
        {1, "7fff::1", "8000::1"},
        {45, "2001:db8:7::1", "2001:db8:8::1"},
        {48, "2001:db8:0:ffff::1", "2001:db8:1::1"},
        {56, "2001:db8:0:ff::1", "2001:db8:0:100::1"},
        {64, "2001:db8::ffff:0:0:1", "2001:db8:0:1::1"},
        {127, "2001:db8::", "2001:db8::2"},
        {128, "2001:db8::1", "2001:db8::"},
    };
    struct client_seat *one, *two, *other;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        client_table_regroup(table, cases[i].bits);
        assert_int_equal(enter("2001:db8::1", 1, 0, 1, &one), CLIENT_OK);
        assert_int_equal(enter(cases[i].same, 1, 0, 1, &other), CLIENT_TOO_MANY);
        assert_int_equal(enter(cases[i].other, 1, 0, 1, &two), CLIENT_OK);
        client_table_leave(table, one);
        client_table_leave(table, two);
        assert_int_equal(enter("192.0.2.1", 1, 0, 1, &one), CLIENT_OK);
        assert_int_equal(enter("192.0.2.2", 1, 0, 1, &two), CLIENT_OK); /* IPv4 is whole */
        client_table_leave(table, one);
        client_table_leave(table, two);
    }
    assert_int_equal(client_table_size(table), 0);
}

/* As a reload does: those who are there are counted under the clients that they are now, forth and
 * back. */
static void who_is_there_is_counted_anew(void **state) {
    struct client_seat *seats[6], *other;
    char text[64];

    (void)state;
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof(text), "2001:db8:0:%x::%x", i / 2,
                 i % 2); /* three /64, five addresses */
        assert_int_equal(enter(text, 0, 5, 1, &seats[i]), CLIENT_OK);
    }
    assert_int_equal(enter("192.0.2.1", 0, 1, 1, &seats[5]), CLIENT_OK);
    assert_int_equal(client_table_size(table), 4);
    client_table_regroup(table, 48);
    assert_int_equal(client_table_size(table), 2);
    assert_int_equal(enter("2001:db8:0:9::1", 5, 0, 1, &other), CLIENT_TOO_MANY);
    assert_int_equal(enter("192.0.2.1", 1, 0, 1, &other), CLIENT_TOO_MANY);
    client_table_leave(table, seats[4]);
    client_table_regroup(table, 128);
    assert_int_equal(client_table_size(table), 5);
    assert_int_equal(enter("2001:db8::1", 1, 0, 1, &other), CLIENT_TOO_MANY);
    assert_int_equal(enter("2001:db8:0:2::", 1, 0, 1, &seats[4]), CLIENT_OK);
    client_table_regroup(table, 64);
    assert_int_equal(client_table_size(table), 4);
    assert_int_equal(enter("2001:db8::7", 2, 0, 1, &other), CLIENT_TOO_MANY);
    assert_int_equal(enter("2001:db8:0:2::7", 2, 0, 1, &other), CLIENT_OK);
    client_table_leave(table, other);
    for (int i = 0; i < 6; i++)
        client_table_leave(table, seats[i]);
    assert_int_equal(client_table_size(table), 1); /* the rate of IPv4 stays */
}

/* Who came while there was no limit is there when one comes. */
static void clients_are_counted_without_a_limit(void **state) {
    struct client_seat *entries[3], *other;

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
    struct client_seat *entry;

    (void)state;
    assert_int_equal(client_table_enter(table, &unix_addr, 1, 1, 1, &entry), CLIENT_OK);
    assert_null(entry);
    assert_int_equal(client_table_size(table), 0);
}

/* How many of `tries` connections, at this moment, are let in; all end at once. */
static int burst(int tries, int64_t rate, usec_t now) {
    const struct addr client = ip("192.0.2.1");
    struct client_seat *entry;
    int in = 0;

    for (int i = 0; i < tries; i++) {
        if (client_table_enter(table, &client, 0, rate, now, &entry) != CLIENT_OK)
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

static void many_clients_take_bounded_memory(void **state) {
    struct addr addr = ip("10.0.0.0");
    struct client_seat *entry;
    size_t before = mallinfo2().uordblks, most = 0;
    usec_t began = clock_now();

    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        addr.u.in.sin_addr.s_addr = htonl(0x0a000000 + i);
        assert_int_equal(client_table_enter(table, &addr, 10, 1, 1, &entry), CLIENT_OK);
        client_table_leave(table, entry);
        most = client_table_size(table) > most ? client_table_size(table) : most;
    }
    usec_t took = clock_now() - began;
    size_t bytes = mallinfo2().uordblks - before;
    print_message("%d clients: %zu entries at most, %zu bytes, %.0f ns for a connection\n", MANY,
                  most, bytes, (double)took * 1000 / MANY);
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

/* A reload that goes on beside them. */
static void regroup_always(void *arg) {
    (void)arg;
    for (unsigned i = 0; i < 200; i++)
        client_table_regroup(table, 32 + i % 97);
}

static void come_and_go(void *arg) {
    struct client_seat *own[8], *shared;
    char text[32];

    snprintf(text, sizeof(text), "192.0.2.%d", *(const int *)arg);
    for (int round = 0; round < (SANITIZED ? 500 : 2000); round++) {
        for (int i = 0; i < 8; i++)
            assert_int_equal(enter(text, 8, 0, 1, &own[i]), CLIENT_OK);
        assert_int_equal(enter("2001:db8:7::1", 4, 0, 1, &shared), CLIENT_OK);
        for (int i = 0; i < 8; i++)
            client_table_leave(table, own[i]);
        client_table_leave(table, shared);
    }
}

static void threads_count_right(void **state) {
    struct thread threads[5] = {0};
    int numbers[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        numbers[i] = i + 1;
        assert_int_equal(thread_start(&threads[i], "client", NULL, come_and_go, &numbers[i]), 0);
    }
    assert_int_equal(thread_start(&threads[4], "reload", NULL, regroup_always, NULL), 0);
    for (int i = 0; i < 5; i++)
        thread_join(&threads[i]);
    assert_int_equal(client_table_size(table), 0);
}

static void a_wait_in_vain_is_the_clients_own(void **state) {
    struct addr one = ip("192.0.2.1"), same = ip("::ffff:192.0.2.1"), other = ip("192.0.2.2");
    struct client_seat *seats[2];

    (void)state;
    client_table_note_vain(table, &one, 1); /* of nobody who is there */
    assert_int_equal(enter("192.0.2.1", 1, 0, 1, &seats[0]), CLIENT_OK);
    assert_int_equal(enter("192.0.2.2", 1, 0, 1, &seats[1]), CLIENT_OK);
    assert_false(client_table_was_vain(table, &one, 1));
    client_table_note_vain(table, &one, USEC_PER_SEC);
    assert_true(client_table_was_vain(table, &same, USEC_PER_SEC + 1));
    assert_false(client_table_was_vain(table, &other, USEC_PER_SEC + 1));
    assert_false(client_table_was_vain(table, &one, 2 * USEC_PER_SEC));
    for (int i = 0; i < 2; i++)
        client_table_leave(table, seats[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connections_are_counted_exactly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ipv6_clients_are_a_64, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_ipv4_host_is_one_client_however_it_comes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_client_is_as_many_bits_as_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_there_is_counted_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clients_are_counted_without_a_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_burst_is_twice_the_rate_and_then_the_rate, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_clients_take_bounded_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wait_in_vain_is_the_clients_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_count_right, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("client_table", tests, NULL, NULL);
}
