/* base/prefix: reading prefixes, and the longest match against a search through all of them. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/prefix.h"

static void test_reading(void **state) {
    static const struct {
        const char *text, *why; /* why NULL: it is good, with so many bits */
        unsigned bits;
    } cases[] = {
        {"10.0.0.0/8", NULL, 104},
        {"192.0.2.1", NULL, 128},
        {"0.0.0.0/0", NULL, 96},
        {"::/0", NULL, 0},
        {"2001:db8::/32", NULL, 32},
        {"::1", NULL, 128},
        {"::ffff:10.0.0.0/104", NULL, 104},
        {"10.0.0.1/8", "bits set", 0},
        {"10.0.0.0/33", "0 to 32", 0},
        {"::/129", "0 to 128", 0},
        {"10.0.0.0/08", "0 to 32", 0},
        {"10.0.0.0/", "0 to 32", 0},
        {"10.0.0.0/-1", "0 to 32", 0},
        {"10.0.0/8", "begin with", 0},
        {"x", "begin with", 0},
        {"", "begin with", 0},
        {"2001:db8::1/32", "bits set", 0},
        {"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/1", "longer", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct prefix prefix = {.bits = 999};
        const char *why = "";

        assert_true(prefix_parse(cases[i].text, &prefix, &why) == (cases[i].why == NULL));
        assert_int_equal(prefix.bits, cases[i].why == NULL ? cases[i].bits : 999);
        if (cases[i].why != NULL)
            assert_non_null(strstr(why, cases[i].why));
    }
}

static struct addr address(const char *text) {
    struct addr addr;
    const char *why;

    assert_true(addr_parse_ip(text, &addr, &why));
    return addr;
}

static void add(struct prefix_set *set, const char *text, int value) {
    struct prefix prefix;
    const char *why;

    assert_true(prefix_parse(text, &prefix, &why));
    assert_true(prefix_set_add(set, &prefix, value));
}

static int find(const struct prefix_set *set, const char *text) {
    struct addr addr = address(text);

    return prefix_set_find(set, &addr);
}

static void test_the_longest_decides(void **state) {
    struct prefix_set *set = prefix_set_new();
    struct addr unix_addr = {.len = sizeof(sa_family_t), .u.sa.sa_family = AF_UNIX},
                none = {.len = 0};

    (void)state;
    assert_int_equal(find(set, "10.0.0.1"), -1);
    add(set, "10.1.0.0/16", 1);
    add(set, "10.0.0.0/8", 0);
    add(set, "10.1.2.3", 0);
    add(set, "::/0", 5);
    add(set, "10.1.0.0/16", 0); /* the greater one stays */
    assert_int_equal(find(set, "10.2.0.1"), 0);
    assert_int_equal(find(set, "10.1.0.1"), 1);
    assert_int_equal(find(set, "10.1.2.3"), 0);
    assert_int_equal(find(set, "::ffff:10.1.0.1"), 1); /* an IPv4 client of an IPv6 socket */
    assert_int_equal(find(set, "11.0.0.1"), -1);       /* ::/0 is IPv6 */
    assert_int_equal(find(set, "2001:db8::1"), 5);
    assert_int_equal(prefix_set_find(set, &unix_addr), -1);
    assert_int_equal(prefix_set_find(set, &none), -1);
    assert_int_equal(prefix_set_find(NULL, &none), -1);
    prefix_set_free(set);
    prefix_set_free(NULL);
}

static bool has(const char *text, const char *of) {
    struct addr addr = address(of);
    struct prefix prefix;
    const char *why;

    assert_true(prefix_parse(text, &prefix, &why));
    return prefix_has(&prefix, &addr);
}

static void test_one_prefix(void **state) {
    struct addr unix_addr = {.len = sizeof(sa_family_t), .u.sa.sa_family = AF_UNIX};
    struct prefix all = {.bits = 0};

    (void)state;
    assert_true(has("10.0.0.0/8", "10.2.0.1"));
    assert_true(has("10.0.0.0/8", "::ffff:10.2.0.1"));
    assert_false(has("10.0.0.0/8", "11.0.0.1"));
    assert_true(has("192.0.2.1", "192.0.2.1"));
    assert_false(has("::/0", "192.0.2.1"));
    assert_true(has("::/0", "2001:db8::1"));
    assert_false(has("0.0.0.0/0", "2001:db8::1"));
    assert_false(prefix_has(&all, &unix_addr));
}

#define MANY 10000

static struct prefix many[MANY];

/* Prefixes of all lengths, many within others. Few first bytes, so that addresses meet them. */
static struct prefix random_prefix(void) {
    struct prefix prefix = {.bits = (unsigned)(rand() % 129)};

    if (rand() % 2 == 0) {
        prefix.bits = 96 + (unsigned)(rand() % 33);
        memcpy(prefix.bytes, (const uint8_t[12]){[10] = 0xff, [11] = 0xff}, 12);
    }
    for (unsigned i = prefix.bits >= 96 && prefix.bytes[10] == 0xff ? 12 : 0; i < 16; i++)
        prefix.bytes[i] = (uint8_t)(rand() % 4 * 0x41);
    for (unsigned i = prefix.bits; i < 128; i++)
        prefix.bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
    return prefix;
}

static bool ipv4(const uint8_t *bytes) {
    return memcmp(bytes, (const uint8_t[12]){[10] = 0xff, [11] = 0xff}, 12) == 0;
}

static int naive(const uint8_t *bytes) {
    int best = -1, bits = -1;

    for (int i = 0; i < MANY; i++) {
        const struct prefix *p = &many[i];
        bool covers = ipv4(bytes) == (p->bits >= 96 && ipv4(p->bytes));

        for (unsigned b = 0; b < p->bits && covers; b++)
            covers = (p->bytes[b / 8] >> (7 - b % 8) & 1) == (bytes[b / 8] >> (7 - b % 8) & 1);
        if (covers && ((int)p->bits > bits || ((int)p->bits == bits && i % 7 > best))) {
            bits = (int)p->bits;
            best = i % 7;
        }
    }
    return best;
}

static usec_t time_of(const struct prefix_set *set, size_t lookups) {
    struct addr addr = address("10.0.0.1");
    usec_t began = clock_now();

    for (size_t i = 0; i < lookups; i++) {
        addr.u.in.sin_addr.s_addr = (in_addr_t)(i * 2654435761u);
        (void)prefix_set_find(set, &addr);
    }
    return clock_now() - began;
}

static void test_against_a_search_and_its_cost(void **state) {
    struct prefix_set *set = prefix_set_new(), *few = prefix_set_new();

    (void)state;
    srand(4711);
    for (int i = 0; i < MANY; i++) {
        many[i] = random_prefix();
        assert_true(prefix_set_add(set, &many[i], i % 7));
        if (i < 10)
            assert_true(prefix_set_add(few, &many[i], i % 7));
    }
    for (int i = 0; i < 500; i++) {
        struct prefix one = random_prefix();
        struct addr addr = {.len = sizeof(addr.u.in6), .u.in6.sin6_family = AF_INET6};

        memcpy(&addr.u.in6.sin6_addr, one.bytes, 16);
        assert_int_equal(prefix_set_find(set, &addr), naive(one.bytes));
    }
    usec_t short_time = time_of(few, 200000), long_time = time_of(set, 200000);
    print_message("a lookup among 10 prefixes takes %.0f ns, among %d %.0f ns\n",
                  (double)short_time / 200, MANY, (double)long_time / 200);
    assert_true(long_time < 20 * short_time + 100 * USEC_PER_MSEC);
    prefix_set_free(set);
    prefix_set_free(few);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_the_longest_decides),
        cmocka_unit_test(test_one_prefix),
        cmocka_unit_test(test_against_a_search_and_its_cost),
    };

    return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}
