/* wire/tls_record: published records both ways, nonces, and what a hostile peer can send as one. */
#include "unit.h"

#include <string.h>

#include "tls_bytes.h"
#include "wire/tls_record.h"

#define RECORD_MAX (TLS_WIRE_MAX + 64)

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_records_both_ways),
    };

    return cmocka_run_group_tests_name("tls_record", tests, NULL, NULL);
}
