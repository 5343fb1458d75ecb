/* names/dns_reply: what strangers say. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names/dns_reply.h"

static const char service[] = "_x._tcp.y";

/* A reply with one question, for `service`, and these answers. */
static size_t reply(unsigned char *buf, unsigned answers, const void *rest, size_t n) {
    static const unsigned char head[] = "\x12\x34\x81\x80\0\1\0\0\0\0\0\0\2_x\4_tcp\1y\0\0\x21\0\1";

    memcpy(buf, head, sizeof(head) - 1);
    buf[7] = (unsigned char)answers;
    memcpy(buf + sizeof(head) - 1, rest, n);
    return sizeof(head) - 1 + n;
}

static bool read_reply(const unsigned char *buf, size_t n, enum dns_type type,
                       struct dns_records *records) {
    free(records->list);
    *records = (struct dns_records){0};
    return dns_reply_read(buf, n, service, type, records);
}

static void services_are_read(void **state) {
    static const char two[] =
        "\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\x0b\0\x0a\0\5\0\x50\1a\1b\0"
        "\xc0\x0c\0\x21\0\1\0\0\0\x1e\0\7\0\x14\0\0\0\x51\0";
    unsigned char buf[512];
    struct dns_records records = {0};
    size_t n = reply(buf, 2, two, sizeof(two) - 1);

    (void)state;
    assert_true(read_reply(buf, n, DNS_SRV, &records));
    assert_int_equal(records.n, 2);
    assert_string_equal(records.list[0].target, "a.b");
    assert_int_equal(records.list[0].priority, 10);
    assert_int_equal(records.list[0].weight, 5);
    assert_int_equal(records.list[0].port, 80);
    assert_string_equal(records.list[1].target, ""); /* decidedly not available */
    assert_int_equal(records.ttl, 30 * USEC_PER_SEC);
    assert_true(read_reply(buf, n, DNS_A, &records)); /* others are passed over */
    assert_int_equal(records.n, 0);
    for (size_t cut = 0; cut < n; cut++) /* each truncation makes no sense, and harms nobody */
        assert_false(read_reply(buf, cut, DNS_SRV, &records));
    free(records.list);
}

static void addresses_are_read(void **state) {
    static const char three[] =
        "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4"
        "\xc0\x0c\0\x1c\0\1\0\0\0\x28\0\x10\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf\x10"
        "\xc0\x0c\0\1\0\1\x80\0\0\0\0\4\5\6\7\x8"; /* a TTL above 2^31 is none (RFC 2181, 8) */
    static const char crooked[] = "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\5\1\2\3\4\5";
    unsigned char buf[512];
    struct dns_records records = {0};
    size_t n = reply(buf, 3, three, sizeof(three) - 1);

    (void)state;
    assert_true(read_reply(buf, n, DNS_AAAA, &records));
    assert_int_equal(records.n, 1);
    assert_memory_equal(records.list[0].address, "\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf\x10", 16);
    assert_int_equal(records.ttl, 40 * USEC_PER_SEC);
    assert_true(read_reply(buf, n, DNS_A, &records));
    assert_int_equal(records.n, 2);
    assert_memory_equal(records.list[1].address, "\5\6\7\x8", 4);
    assert_int_equal(records.ttl, 0);
    assert_string_equal(records.alias, "");
    assert_false(read_reply(buf, reply(buf, 1, crooked, sizeof(crooked) - 1), DNS_A, &records));
    free(records.list);
}

static void aliases_lead_on(void **state) {
    static const char one[] =
        "\xc0\x0c\0\5\0\1\0\0\0\7\0\2\xc0\x0f"   /* _tcp.y */
        "\1q\0\0\5\0\1\0\0\0\1\0\2\xc0\x14"      /* somebody else's */
        "\xc0\x0f\0\5\0\1\0\0\0\x09\0\2\xc0\x14" /* y */
        "\xc0\x14\0\x21\0\1\0\0\0\x1e\0\x0b\0\x0a\0\5\0\x50\1a\1b\0";
    unsigned char buf[512];
    struct dns_records records = {0};

    (void)state;
    assert_true(read_reply(buf, reply(buf, 4, one, sizeof(one) - 1), DNS_SRV, &records));
    assert_int_equal(records.n, 1);
    assert_int_equal(records.ttl, 7 * USEC_PER_SEC); /* of the chain */
    assert_string_equal(records.alias, "y");
    free(records.list);
}

static void records_of_others_are_passed_over(void **state) {
    static const char mixed[] =
        "\1q\0\0\1\0\1\0\0\0\1\0\4\1\1\1\1"
        "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\2\2\2\2"
        "\xc0\x0f\0\1\0\1\0\0\0\1\0\4\3\3\3\3";
    static const char late[] =
        "\xc0\x0f\0\1\0\1\0\0\0\x3c\0\4\1\1\1\1"
        "\xc0\x0c\0\5\0\1\0\0\0\7\0\2\xc0\x0f";
    unsigned char buf[512];
    struct dns_records records = {0};

    (void)state;
    assert_true(read_reply(buf, reply(buf, 3, mixed, sizeof(mixed) - 1), DNS_A, &records));
    assert_int_equal(records.n, 1);
    assert_memory_equal(records.list[0].address, "\2\2\2\2", 4);
    assert_int_equal(records.ttl, 60 * USEC_PER_SEC);
    assert_true(read_reply(buf, reply(buf, 2, late, sizeof(late) - 1), DNS_A, &records));
    assert_int_equal(records.n, 0); /* its alias is asked for */
    assert_string_equal(records.alias, "_tcp.y");
    free(records.list);
}

static void hostile_replies_are_refused(void **state) {
    /* a name that points to itself */
    static const char loop[] = "\xc0\x1b\0\x21\0\1\0\0\0\x3c\0\x0a\0\x0a\0\5\0\x50\xc0\x1b";
    static const char beyond[] = "\xc0\x0c\0\x21\0\1\0\0\0\x3c\xff\xff\0\x0a\0\5\0\x50\1a\0";
    static const char bare[] = "\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\6\0\x0a\0\5\0\x50";
    static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_SRV};
    unsigned char buf[512];
    struct dns_records records = {0};

    (void)state;
    assert_false(read_reply(buf, reply(buf, 1, loop, sizeof(loop) - 1), DNS_SRV, &records));
    assert_false(read_reply(buf, reply(buf, 1, beyond, sizeof(beyond) - 1), DNS_SRV, &records));
    assert_false(read_reply(buf, reply(buf, 1, bare, sizeof(bare) - 1), DNS_SRV, &records));
    assert_false(read_reply(buf, reply(buf, 9, "", 0), DNS_SRV, &records));
    srand(1);
    for (int i = 0; i < 20000; i++) {
        size_t n = reply(buf, (unsigned)rand() % 4, beyond, sizeof(beyond) - 1);

        for (int k = 0; k < 4; k++)
            buf[(size_t)rand() % n] = (unsigned char)rand();
        (void)read_reply(buf, n, types[i % 3], &records);
        assert_in_range(records.n, 0, 255);
    }
    free(records.list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_are_read),
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(aliases_lead_on),
        cmocka_unit_test(records_of_others_are_passed_over),
        cmocka_unit_test(hostile_replies_are_refused),
    };

    return cmocka_run_group_tests_name("dns_reply", tests, NULL, NULL);
}
