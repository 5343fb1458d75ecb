/* listen/blocks: who is blocked, also while that changes. */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "listen/blocks.h"

static struct addr client_at(const char *text) {
    struct addr_spec spec;
    char with_port[128];
    const char *why;

    snprintf(with_port, sizeof(with_port), strchr(text, ':') != NULL ? "[%s]:1" : "%s:1", text);
    if (!addr_parse(with_port, &spec, &why))
        fail_msg("%s: %s", with_port, why);
    return spec.addr;
}

static struct prefix prefix_of(const char *text) {
    struct prefix prefix;
    const char *why;

    assert_true(prefix_parse(text, &prefix, &why));
    return prefix;
}

static void block(const char *text) {
    struct prefix prefix = prefix_of(text);

    assert_true(blocks_add(&prefix, 0, 0));
}

static void unblock(const char *text) {
    struct prefix prefix = prefix_of(text);

    assert_true(blocks_remove(&prefix));
    assert_false(blocks_remove(&prefix));
}

static bool covers(const char *text) {
    struct addr client = client_at(text);

    return blocks_any() && blocks_cover(&client);
}

static void prefixes_of_all_lengths(void **state) {
    static const struct {
        const char *prefix, *inside, *outside;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.1", "11.0.0.1"},
        {"0.0.0.0/0", "192.0.2.1", "2001:db8::1"},
        {"::/0", "2001:db8::1", "192.0.2.1"},
        {"192.0.2.33", "192.0.2.33", "192.0.2.32"},
        {"192.0.2.33", "64:ff9b::c000:221", "64:ff9b::c000:222"},
        {"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"},
        {"2001:db8::/64", "2001:db8::ffff:1", "2001:db8:0:1::1"},
        {"2001:db8:0:0:8000::/65", "2001:db8::8000:0:0:1", "2001:db8::7fff:0:0:1"},
        {"2001:db8::1", "2001:db8::1", "2001:db8::2"},
        {"128.0.0.0/1", "192.0.2.1", "127.0.0.1"},
        {"8000::/1", "fd00::1", "2001:db8::1"},
    };

    static struct blocked_prefix list[STEERING_BLOCKS];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[PREFIX_TEXT_MAX];
        struct prefix prefix = prefix_of(cases[i].prefix);

        assert_string_equal(prefix_format(&prefix, text, sizeof(text)), cases[i].prefix);
        assert_false(blocks_any());
        block(cases[i].prefix);
        assert_true(covers(cases[i].inside));
        assert_false(covers(cases[i].outside));
        block("198.51.100.0/24"); /* which changes nothing for these */
        assert_true(covers(cases[i].inside));
        unblock("198.51.100.0/24");
        block(cases[i].prefix); /* anew, in the place of the former */
        assert_int_equal(blocks_list(list), 1);
        unblock(cases[i].prefix);
        assert_false(covers(cases[i].inside));
    }
}

static void a_unix_socket_is_never_blocked(void **state) {
    struct addr nobody = {.len = sizeof(sa_family_t), .u.sa.sa_family = AF_UNIX};

    (void)state;
    block("0.0.0.0/0");
    block("::/0");
    assert_false(blocks_cover(&nobody));
    unblock("0.0.0.0/0");
    unblock("::/0");
}

static void what_is_over_makes_room(void **state) {
    struct prefix prefix = prefix_of("10.0.0.0");
    struct blocked_prefix over_row;

    (void)state;
    for (unsigned i = 0; i < STEERING_BLOCKS; i++) {
        prefix.bytes[14] = (uint8_t)(i >> 8);
        prefix.bytes[15] = (uint8_t)i;
        assert_true(blocks_add(&prefix, i == 7 ? clock_now() + 1 : 0, 0));
    }
    assert_true(covers("10.0.3.255"));
    assert_false(covers("10.0.4.0"));
    while (covers("10.0.0.7")) {
    }
    assert_true(blocks_forget_over(&over_row));
    assert_int_equal(over_row.prefix.bytes[15], 7);
    assert_false(blocks_forget_over(&over_row));
    block("192.0.2.1");
    prefix = prefix_of("192.0.2.2");
    assert_false(blocks_add(&prefix, 0, 0));
    blocks_use(NULL);
    assert_false(blocks_any());
}

static _Atomic bool over;
static _Atomic unsigned missed;

/* 10.0.0.1 is blocked all the time, and 10.9.9.9 never is. */
static void *look_on(void *arg) {
    struct addr blocked = client_at("10.0.0.1"), free = client_at("10.9.9.9");

    (void)arg;
    while (!atomic_load(&over))
        if (!blocks_cover(&blocked) || blocks_cover(&free))
            atomic_fetch_add(&missed, 1);
    return NULL;
}

static void a_look_is_right_while_others_come_and_go(void **state) {
    pthread_t threads[2];

    (void)state;
    block("10.0.0.0/24");
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look_on, NULL), 0);
    for (int i = 0; i < 2000; i++) {
        block("10.1.0.0/16");
        block("2001:db8::/32");
        unblock("10.1.0.0/16");
        unblock("2001:db8::/32");
    }
    atomic_store(&over, true);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&missed), 0);
    unblock("10.0.0.0/24");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_of_all_lengths),
        cmocka_unit_test(a_unix_socket_is_never_blocked),
        cmocka_unit_test(what_is_over_makes_room),
        cmocka_unit_test(a_look_is_right_while_others_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
