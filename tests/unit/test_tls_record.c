/* wire/tls_record: published records both ways, nonces, and what a hostile peer can send as one. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tls_by_hand.h"
#include "tls_bytes.h"
#include "wire/tls_record.h"

/* RFC 8448, 3: Simple 1-RTT Handshake, once it is done. The server's records 0 and 1 are a ticket
 * and the data, 2 its alert. */
#define CLIENT_SECRET "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"
#define SERVER_SECRET "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"
#define FIFTY                                                                                      \
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d" \
    "2e2f3031"

static const struct {
    const char *secret;
    uint64_t sequence;
    enum tls_content content;
    const char *plain, *record;
} published[] = {
    {CLIENT_SECRET, 0, TLS_DATA, FIFTY,
     "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc "
     "ab 3f 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd "
     "1e 3d ea e6 3a ee bb 21 69 49 15 e4"},
    {SERVER_SECRET, 1, TLS_DATA, FIFTY,
     "17 03 03 00 43 2e 93 7e 11 ef 4a c7 40 e5 38 ad 36 00 5f c4 a4 69 32 fc 32 25 d0 5f 82 aa "
     "1b 36 e3 0e fa f9 7d 90 e6 df fc 60 2d cb 50 1a 59 a8 fc c4 9c 4b f2 e5 f0 a2 1c 00 47 c2 "
     "ab f3 32 54 0d d0 32 e1 67 c2 95 5d"},
    {CLIENT_SECRET, 1, TLS_ALERT, "0100",
     "17 03 03 00 13 c9 87 27 60 65 56 66 b7 4d 7f f1 15 3e fd 6d b6 d0 b0 e3"},
    {SERVER_SECRET, 2, TLS_ALERT, "0100",
     "17 03 03 00 13 b5 8f d6 71 66 eb f5 99 d2 47 20 cf be 7e fa 7a 88 64 a9"},
};

static void published_records_both_ways(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(published); i++) {
        struct tls_half half = {0};
        struct tls_opened opened;
        struct tls_keys keys;
        uint8_t secret[32], plain[64], wire[128], bytes[128];
        size_t n = tls_unhex(published[i].plain, plain, sizeof(plain)),
               size = tls_unhex(published[i].record, wire, sizeof(wire));

        tls_unhex(published[i].secret, secret, sizeof(secret));
        assert_int_equal(tls_keys_from_secret(TLS_AES_128_GCM, secret, sizeof(secret), &keys), 0);
        keys.sequence = published[i].sequence;
        assert_int_equal(tls_half_begin(&half, &keys, true), 0);
        memcpy(bytes + tls_before(&half), plain, n);
        assert_int_equal(tls_seal(&half, published[i].content, bytes, n), size);
        assert_memory_equal(bytes, wire, size);

        assert_int_equal(tls_half_begin(&half, &keys, false), 0); /* the same context */
        for (size_t have = 0; have < size; have++)
            assert_int_equal(tls_open(&half, bytes, have, &opened), TLS_MORE);
        assert_int_equal(tls_open(&half, bytes, sizeof(bytes), &opened), TLS_OPENED);
        assert_int_equal(opened.content, published[i].content);
        assert_int_equal(opened.size, size);
        assert_int_equal(opened.n, n);
        assert_memory_equal(opened.plain, plain, n);
        assert_int_equal(half.keys.sequence, published[i].sequence + 1);
        tls_half_end(&half);
        tls_half_end(&half); /* nothing is left */
    }
}

static void sealed_as_by_hand(void **state) {
    static const size_t sizes[] = {0, 1, 15, 16, 17, 64, 1000, TLS_PLAIN_MAX};
    static uint8_t plain[TLS_PLAIN_MAX + 1], expected[BY_HAND_MAX];

    (void)state;
    for (size_t i = 0; i < TLS_PLAIN_MAX; i++)
        plain[i] = (uint8_t)(i * 13);
    EACH_BY_HAND(keys) {
        struct tls_half half = {0};
        bool modern = keys.version == TLS_1_3;

        assert_int_equal(tls_half_begin(&half, &keys, true), 0);
        assert_int_equal(tls_before(&half),
                         modern || keys.cipher == TLS_CHACHA20_POLY1305 ? 5 : 13);
        assert_int_equal(tls_after(&half), modern ? 17 : 16);
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            size_t n = sizes[i], around = tls_before(&half) + tls_after(&half);
            uint8_t *record = malloc(n + around), was = plain[n];

            memcpy(record + tls_before(&half), plain, n);
            assert_int_equal(tls_seal(&half, TLS_ALERT, record, n), n + around);
            plain[n] = TLS_ALERT; /* the inner type */
            assert_int_equal(by_hand_seal(&keys, modern ? TLS_DATA : TLS_ALERT, 0x0303, plain,
                                          n + modern, expected),
                             n + around);
            plain[n] = was;
            assert_memory_equal(record, expected, n + around);
            free(record);
        }
        assert_int_equal(half.keys.sequence, keys.sequence);
        assert_int_equal(half.keys.nonce, keys.nonce);
        tls_half_end(&half);
    }
}

/* Opens a copy of its exact size, so that the address sanitizer sees a step beyond it. */
static enum tls_outcome open_exactly(struct tls_half *half, const uint8_t *bytes, size_t have,
                                     struct tls_opened *ret) {
    uint8_t *copy = malloc(have + (have == 0));

    memcpy(copy, bytes, have);
    enum tls_outcome outcome = tls_open(half, copy, have, ret);
    free(copy);
    return outcome;
}

static void one_after_the_other_as_they_come(void **state) {
    static const size_t sizes[] = {1, 0, 17, 1000};
    static const char text[1000] = "GET / HTTP/1.1\r\n";

    (void)state;
    EACH_BY_HAND(keys) {
        struct tls_half half = {0};
        uint8_t bytes[2000], before[2000];
        size_t n = 0, at = 0;

        assert_int_equal(tls_half_begin(&half, &keys, true), 0);
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            memcpy(bytes + n + tls_before(&half), text, sizes[i]);
            ssize_t size = tls_seal(&half, TLS_DATA, bytes + n, sizes[i]);
            assert_true(size > 0);
            n += (size_t)size;
        }
        assert_int_equal(tls_half_begin(&half, &keys, false), 0);
        memcpy(before, bytes, sizeof(before));
        for (size_t i = 0, have = 0; i < ARRAY_LEN(sizes); have++) {
            struct tls_opened opened;
            enum tls_outcome outcome = tls_open(&half, bytes + at, have - at, &opened);

            assert_int_not_equal(outcome, TLS_BAD);
            if (outcome == TLS_MORE) {
                assert_memory_equal(bytes + at, before + at, n - at);
                continue;
            }
            assert_ptr_equal(opened.plain, bytes + at + tls_before(&half));
            assert_int_equal(opened.content, TLS_DATA);
            assert_int_equal(opened.n, sizes[i]);
            assert_memory_equal(opened.plain, text, sizes[i]);
            at += opened.size;
            assert_int_equal(at, have); /* not a byte before */
            i++;
        }
        assert_int_equal(at, n);
        tls_half_end(&half);
    }
}

static void a_number_never_comes_again(void **state) {
    (void)state;
    EACH_BY_HAND(keys) {
        struct tls_half half = {0};
        struct tls_opened opened;
        uint8_t record[64] = {0}, before[64];

        keys.sequence = UINT64_MAX - 1;
        assert_int_equal(tls_half_begin(&half, &keys, true), 0);
        ssize_t size = tls_seal(&half, TLS_DATA, record, 1);
        assert_true(size > 0);
        memcpy(before, record, sizeof(record));
        assert_int_equal(tls_seal(&half, TLS_DATA, record, 1), -EOVERFLOW);
        assert_memory_equal(record, before, sizeof(record));

        assert_int_equal(tls_half_begin(&half, &keys, false), 0);
        assert_int_equal(tls_open(&half, record, sizeof(record), &opened), TLS_OPENED);
        keys.sequence = UINT64_MAX;
        by_hand_seal(&keys, TLS_DATA, 0x0303, (const uint8_t *)"x\x17", 2, record);
        assert_int_equal(tls_open(&half, record, sizeof(record), &opened), TLS_BAD);
        assert_int_equal(opened.alert, TLS_INTERNAL_ERROR);
        tls_half_end(&half);
    }
}

/* Five bytes are enough to refuse a record. */
static void what_a_header_alone_says(void **state) {
    static const struct {
        uint16_t version;
        uint8_t cipher;
        const char *header;
        int alert; /* -1: more is waited for */
    } cases[] = {
        {TLS_1_3, 0, "1703034100", -1}, /* 2^14 + 256 */
        {TLS_1_3, 0, "1703034101", TLS_RECORD_OVERFLOW},
        {TLS_1_3, 0, "170303ffff", TLS_RECORD_OVERFLOW},
        {TLS_1_3, 0, "1703030010", -1},
        {TLS_1_3, 0, "170303000f", TLS_BAD_RECORD_MAC},
        {TLS_1_3, 0, "1703030000", TLS_BAD_RECORD_MAC},
        {TLS_1_3, 0, "1703010020", TLS_DECODE_ERROR}, /* RFC 8446, 5.2: it is always 0x0303 */
        {TLS_1_3, 0, "1703040020", TLS_DECODE_ERROR},
        {TLS_1_3, 0, "1700000020", TLS_DECODE_ERROR},
        {TLS_1_3, 0, "1403030001", TLS_UNEXPECTED_MESSAGE}, /* RFC 8446, 5: after Finished */
        {TLS_1_3, 0, "1503030002", TLS_UNEXPECTED_MESSAGE},
        {TLS_1_3, 0, "1603030020", TLS_UNEXPECTED_MESSAGE},
        {TLS_1_3, 0, "1803030020", TLS_UNEXPECTED_MESSAGE},
        {TLS_1_3, 0, "474554202f", TLS_UNEXPECTED_MESSAGE}, /* GET / */
        {TLS_1_2, TLS_AES_128_GCM, "1703034018", -1},       /* 2^14 + 8 + 16 */
        {TLS_1_2, TLS_AES_128_GCM, "1703034019", TLS_RECORD_OVERFLOW},
        {TLS_1_2, TLS_AES_256_GCM, "1503030018", -1},
        {TLS_1_2, TLS_AES_256_GCM, "1503030017", TLS_BAD_RECORD_MAC},
        {TLS_1_2, TLS_CHACHA20_POLY1305, "1703034010", -1},
        {TLS_1_2, TLS_CHACHA20_POLY1305, "1703034011", TLS_RECORD_OVERFLOW},
        {TLS_1_2, TLS_CHACHA20_POLY1305, "1603030010", -1},
        {TLS_1_2, TLS_CHACHA20_POLY1305, "160303000f", TLS_BAD_RECORD_MAC},
        {TLS_1_2, TLS_CHACHA20_POLY1305, "1703020020", TLS_PROTOCOL_VERSION},
        {TLS_1_2, TLS_CHACHA20_POLY1305, "1703040020", TLS_PROTOCOL_VERSION},
        {TLS_1_2, TLS_AES_128_GCM, "1702030020", TLS_PROTOCOL_VERSION},
        {TLS_1_2, TLS_AES_128_GCM, "474554202f", TLS_PROTOCOL_VERSION},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_keys keys = by_hand_keys(cases[i].version, cases[i].cipher);
        struct tls_half half = {0};
        struct tls_opened opened = {.alert = 255};
        uint8_t header[5];

        assert_int_equal(tls_unhex(cases[i].header, header, sizeof(header)), 5);
        assert_int_equal(tls_half_begin(&half, &keys, false), 0);
        assert_int_equal(open_exactly(&half, header, 4, &opened), TLS_MORE);
        assert_int_equal(open_exactly(&half, header, 5, &opened),
                         cases[i].alert < 0 ? TLS_MORE : TLS_BAD);
        assert_int_equal(opened.alert, cases[i].alert < 0 ? 255 : cases[i].alert);
        tls_half_end(&half);
    }
}

/* The cleartext of a record that is sealed as it should be. */
static void what_a_cleartext_says(void **state) {
    static const struct {
        uint16_t version;
        size_t content, zeros; /* bytes; between them, in TLS 1.3, the type if it is not 0 */
        int type;
        int alert; /* -1: opened */
    } cases[] = {
        {TLS_1_3, 0, 0, TLS_DATA, -1},
        {TLS_1_3, 0, TLS_PLAIN_MAX, TLS_DATA, -1}, /* RFC 8446, 5.4 */
        {TLS_1_3, 0, TLS_PLAIN_MAX + 1, TLS_DATA, TLS_RECORD_OVERFLOW},
        {TLS_1_3, TLS_PLAIN_MAX, 0, TLS_DATA, -1},
        {TLS_1_3, TLS_PLAIN_MAX, 0, TLS_HANDSHAKE, -1},
        {TLS_1_3, TLS_PLAIN_MAX, 1, TLS_DATA, TLS_RECORD_OVERFLOW},
        {TLS_1_3, TLS_PLAIN_MAX + 1, 0, TLS_DATA, TLS_RECORD_OVERFLOW},
        {TLS_1_3, TLS_PLAIN_MAX + 239, 0, TLS_DATA, TLS_RECORD_OVERFLOW}, /* 2^14 + 256 in all */
        {TLS_1_3, TLS_PLAIN_MAX + 240, 0, TLS_DATA, TLS_RECORD_OVERFLOW}, /* 2^14 + 257 */
        {TLS_1_3, 100, 300, TLS_ALERT, -1},
        {TLS_1_3, 1, 0, 99, -1}, /* tls_judge refuses it */
        {TLS_1_3, 0, 0, 0, TLS_UNEXPECTED_MESSAGE},
        {TLS_1_3, 0, 1, 0, TLS_UNEXPECTED_MESSAGE},
        {TLS_1_3, 0, TLS_PLAIN_MAX + 1, 0, TLS_UNEXPECTED_MESSAGE},
        {TLS_1_2, 0, 0, TLS_DATA, -1},
        {TLS_1_2, 0, 100, TLS_DATA, -1}, /* zeros are content */
        {TLS_1_2, TLS_PLAIN_MAX, 0, TLS_DATA, -1},
        {TLS_1_2, TLS_PLAIN_MAX + 1, 0, TLS_DATA, TLS_RECORD_OVERFLOW},
        {TLS_1_2, 1, 0, 99, -1},
    };
    static uint8_t inner[BY_HAND_MAX], record[BY_HAND_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases) * TLS_CIPHER_COUNT; i++) {
        size_t at = i / TLS_CIPHER_COUNT, content = cases[at].content, n = content;
        bool modern = cases[at].version == TLS_1_3;
        struct tls_keys keys = by_hand_keys(cases[at].version, i % TLS_CIPHER_COUNT);
        struct tls_half half = {0};
        struct tls_opened opened;

        assert_int_equal(tls_half_begin(&half, &keys, false), 0);
        memset(inner, 0x5a, content);
        if (modern && cases[at].type != 0)
            inner[n++] = (uint8_t)cases[at].type;
        memset(inner + n, 0, cases[at].zeros);
        n += cases[at].zeros;
        size_t size = by_hand_seal(&keys, modern ? TLS_DATA : (uint8_t)cases[at].type, 0x0303,
                                   inner, n, record);
        uint8_t *copy = malloc(size);
        memcpy(copy, record, size);
        enum tls_outcome outcome = tls_open(&half, copy, size, &opened);
        assert_int_equal(outcome, cases[at].alert < 0 ? TLS_OPENED : TLS_BAD);
        if (outcome == TLS_OPENED) {
            assert_int_equal(opened.n, modern ? content : n);
            assert_int_equal(opened.content, cases[at].type);
            assert_int_equal(opened.size, size);
            assert_memory_equal(opened.plain, inner, opened.n);
        } else {
            assert_int_equal(opened.alert, cases[at].alert);
        }
        free(copy);
        tls_half_end(&half);
    }
}

/* RFC 6066, 4. Padding does not count: it is of TLS 1.3 alone, and behind the content. */
static void a_smaller_limit_holds(void **state) {
    static const uint16_t limits[] = {512, 4096};

    (void)state;
    EACH_BY_HAND(keys) {
        for (size_t i = 0; i < 2 * ARRAY_LEN(limits); i++) {
            struct tls_half half = {.most = limits[i / 2]};
            uint8_t inner[4096 + 100] = {0}, record[5000];
            struct tls_keys sealing = keys;
            bool modern = keys.version == TLS_1_3;
            size_t n = limits[i / 2] + i % 2;
            struct tls_opened opened;

            assert_int_equal(tls_half_begin(&half, &keys, false), 0);
            inner[n] = TLS_DATA;
            size_t size =
                by_hand_seal(&sealing, TLS_DATA, 0x0303, inner, n + (modern ? 10 : 0), record);
            assert_int_equal(tls_open(&half, record, size, &opened),
                             i % 2 == 0 ? TLS_OPENED : TLS_BAD);
            if (i % 2 == 0)
                assert_int_equal(opened.n, n);
            else
                assert_int_equal(opened.alert, TLS_RECORD_OVERFLOW);
            tls_half_end(&half);
        }
    }
}

/* One bit of any byte. */
static void no_changed_record_is_opened(void **state) {
    (void)state;
    EACH_BY_HAND(keys) {
        struct tls_half half = {0};
        uint8_t record[64];
        struct tls_keys sealing = keys;
        bool modern = keys.version == TLS_1_3;
        size_t size =
            by_hand_seal(&sealing, TLS_DATA, 0x0303, (const uint8_t *)"some words\x17", 11, record);

        assert_int_equal(tls_half_begin(&half, &keys, false), 0);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            struct tls_opened opened = {.content = 0};
            size_t at = bit / 8;
            int expected = at == 0 && modern ? TLS_UNEXPECTED_MESSAGE
                           : (at == 1 || at == 2)
                               ? (modern ? TLS_DECODE_ERROR : TLS_PROTOCOL_VERSION)
                               : TLS_BAD_RECORD_MAC;

            record[at] ^= (uint8_t)(1u << bit % 8);
            enum tls_outcome outcome = open_exactly(&half, record, size, &opened);
            record[at] ^= (uint8_t)(1u << bit % 8);
            if (at == 3 || at == 4) { /* longer, and so not whole, or shorter */
                assert_int_not_equal(outcome, TLS_OPENED);
                assert_true(outcome == TLS_MORE || opened.alert == TLS_BAD_RECORD_MAC ||
                            opened.alert == TLS_RECORD_OVERFLOW);
                continue;
            }
            assert_int_equal(outcome, TLS_BAD);
            assert_int_equal(opened.alert, expected);
        }
        assert_int_equal(half.keys.sequence, keys.sequence);
        struct tls_opened opened;
        assert_int_equal(open_exactly(&half, record, size, &opened), TLS_OPENED);
        /* again, or one that is not the next */
        assert_int_equal(open_exactly(&half, record, size, &opened), TLS_BAD);
        assert_int_equal(opened.alert, TLS_BAD_RECORD_MAC);
        sealing.sequence++;
        size = by_hand_seal(&sealing, TLS_DATA, 0x0303, (const uint8_t *)"x\x17", 2, record);
        assert_int_equal(open_exactly(&half, record, size, &opened), TLS_BAD);
        assert_int_equal(opened.alert, TLS_BAD_RECORD_MAC);
        tls_half_end(&half);
    }
}

static void a_context_serves_another_cipher(void **state) {
    struct tls_half half = {0}, other = {0};

    (void)state;
    EACH_BY_HAND(keys) {
        uint8_t record[64] = {0};
        struct tls_opened opened;

        assert_int_equal(tls_half_begin(&other, &keys, true), 0);
        ssize_t size = tls_seal(&other, TLS_HANDSHAKE, record, 3);
        for (int sealed = 1; sealed >= 0; sealed--) {
            EVP_CIPHER_CTX *ctx = half.ctx;

            assert_int_equal(tls_half_begin(&half, &keys, sealed), 0);
            assert_true(ctx == NULL || ctx == half.ctx);
        }
        assert_int_equal(tls_open(&half, record, (size_t)size, &opened), TLS_OPENED);
        assert_int_equal(opened.content, TLS_HANDSHAKE);
    }
    struct tls_keys keys = by_hand_keys(TLS_1_3, 0);
    keys.version = 0x0302;
    assert_int_equal(tls_half_begin(&half, &keys, true), -EINVAL);
    keys.version = TLS_1_3;
    keys.cipher = TLS_CIPHER_COUNT;
    assert_int_equal(tls_half_begin(&half, &keys, true), -EINVAL);
    tls_half_end(&half);
    assert_null(half.ctx);
    assert_int_equal(half.keys.key[0] | half.keys.secret[0] | half.keys.version, 0);
    tls_half_end(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_records_both_ways),
        cmocka_unit_test(sealed_as_by_hand),
        cmocka_unit_test(one_after_the_other_as_they_come),
        cmocka_unit_test(a_number_never_comes_again),
        cmocka_unit_test(what_a_header_alone_says),
        cmocka_unit_test(what_a_cleartext_says),
        cmocka_unit_test(a_smaller_limit_holds),
        cmocka_unit_test(no_changed_record_is_opened),
        cmocka_unit_test(a_context_serves_another_cipher),
    };

    return cmocka_run_group_tests_name("tls_record", tests, NULL, NULL);
}
