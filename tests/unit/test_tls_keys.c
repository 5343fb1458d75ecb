/* wire/tls_keys: against RFC 8448, and against the definitions of RFC 8446 and RFC 5246, written
 * down here once more with nothing but HMAC. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "tls_bytes.h"
#include "wire/tls_keys.h"

#define LABEL_MAX 64

/* RFC 8448, 3: Simple 1-RTT Handshake. */
static void of_a_published_handshake(void **state) {
    static const struct {
        const char *secret, *key, *iv;
    } cases[] = {
        {"9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
         "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9"},
        {"a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
         "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984"},
        {"b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
         "dbfaa693d1762c5b666af5d950258d01", "5bd3c71b836e0b76bb73265f"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_keys keys;
        uint8_t secret[32];

        tls_unhex(cases[i].secret, secret, sizeof(secret));
        assert_int_equal(tls_keys_from_secret(TLS_AES_128_GCM, secret, sizeof(secret), &keys), 0);
        assert_hex(keys.key, 16, cases[i].key);
        assert_hex(keys.iv, 12, cases[i].iv);
        assert_memory_equal(keys.secret, secret, sizeof(secret));
        assert_int_equal(keys.version, TLS_1_3);
        assert_int_equal(keys.secret_size, sizeof(secret));
        assert_int_equal(keys.sequence, 0);
    }
}

static const EVP_MD *hash_of(bool sha384) {
    return sha384 ? EVP_sha384() : EVP_sha256();
}

/* RFC 8446, 7.1, where what is asked for is no longer than the hash: one round of RFC 5869, 2.3. */
static void expand_once(bool sha384, const uint8_t *secret, const char *label, uint8_t *ret,
                        size_t n) {
    uint8_t info[LABEL_MAX], block[EVP_MAX_MD_SIZE];
    size_t size = 0;

    info[size++] = 0;
    info[size++] = (uint8_t)n;
    info[size++] = (uint8_t)(strlen("tls13 ") + strlen(label));
    size += (size_t)snprintf((char *)info + size, LABEL_MAX - size, "tls13 %s", label);
    info[size++] = 0; /* the context is empty */
    info[size++] = 1; /* the round's number */
    HMAC(hash_of(sha384), secret, sha384 ? 48 : 32, info, size, block, NULL);
    memcpy(ret, block, n);
}

static void updates_follow_the_definition(void **state) {
    (void)state;
    for (enum tls_cipher cipher = 0; cipher < TLS_CIPHER_COUNT; cipher++) {
        bool sha384 = cipher == TLS_AES_256_GCM;
        size_t size = sha384 ? 48 : 32;
        uint8_t secret[48], next[48], key[32], iv[12];
        struct tls_keys keys;

        for (size_t i = 0; i < size; i++)
            secret[i] = (uint8_t)(i * 7 + cipher);
        assert_int_equal(tls_keys_from_secret(cipher, secret, size, &keys), 0);
        for (int generation = 0; generation < 5; generation++) {
            expand_once(sha384, secret, "key", key, tls_key_size(cipher));
            expand_once(sha384, secret, "iv", iv, sizeof(iv));
            assert_memory_equal(keys.key, key, tls_key_size(cipher));
            assert_memory_equal(keys.iv, iv, sizeof(iv));
            assert_memory_equal(keys.secret, secret, size);
            assert_int_equal(keys.cipher, cipher);
            assert_int_equal(keys.sequence, 0);
            keys.sequence = 77;
            expand_once(sha384, secret, "traffic upd", next, size);
            memcpy(secret, next, size);
            assert_int_equal(tls_keys_update(&keys), 0);
        }
    }
}

/* P_hash(master, label + server_random + client_random): RFC 5246, 5 and 6.3. */
static void p_hash(bool sha384, const uint8_t *master, const uint8_t *client_random,
                   const uint8_t *server_random, uint8_t *ret, size_t n) {
    static const char label[] = "key expansion";
    uint8_t input[EVP_MAX_MD_SIZE + 13 + 64], block[EVP_MAX_MD_SIZE];
    unsigned size = sha384 ? 48 : 32;
    uint8_t *seed = input + size;

    memcpy(seed, label, 13);
    memcpy(seed + 13, server_random, 32);
    memcpy(seed + 13 + 32, client_random, 32);
    HMAC(hash_of(sha384), master, 48, seed, 13 + 64, input, NULL); /* A(1) */
    for (size_t at = 0; at < n; at += size) {
        HMAC(hash_of(sha384), master, 48, input, size + 13 + 64, block, NULL);
        memcpy(ret + at, block, n - at < size ? n - at : size);
        HMAC(hash_of(sha384), master, 48, input, size, block, NULL);
        memcpy(input, block, size); /* A(i + 1) */
    }
}

static void a_key_block_is_parted_as_it_is_defined(void **state) {
    uint8_t master[48], client_random[32], server_random[32];

    (void)state;
    for (size_t i = 0; i < sizeof(master); i++)
        master[i] = (uint8_t)(200 - i);
    for (size_t i = 0; i < sizeof(client_random); i++) {
        client_random[i] = (uint8_t)(i + 1);
        server_random[i] = (uint8_t)(i * 3);
    }
    for (enum tls_cipher cipher = 0; cipher < TLS_CIPHER_COUNT; cipher++) {
        bool sha384 = cipher == TLS_AES_256_GCM, gcm = cipher != TLS_CHACHA20_POLY1305;
        size_t key = tls_key_size(cipher), iv = gcm ? 4 : 12; /* RFC 5288, 3; RFC 7905, 2 */
        struct tls_keys client, server;
        uint8_t block[88];
        static const uint8_t zeros[12];

        assert_int_equal(tls_keys_from_master(cipher, sha384, master, client_random, server_random,
                                              &client, &server),
                         0);
        p_hash(sha384, master, client_random, server_random, block, 2 * (key + iv));
        assert_memory_equal(client.key, block, key);
        assert_memory_equal(server.key, block + key, key);
        assert_memory_equal(client.iv, block + 2 * key, iv);
        assert_memory_equal(server.iv, block + 2 * key + iv, iv);
        assert_memory_equal(client.iv + iv, zeros, 12 - iv);
        assert_int_equal(client.version, TLS_1_2);
        assert_int_equal(client.sequence, 1);
        assert_int_equal(server.sequence, 1);
        assert_int_equal(server.nonce, 0);
        assert_int_equal(tls_nonce_is_explicit(&server), gcm);
        assert_int_equal(tls_keys_update(&client), -EINVAL); /* 1.2 has none */
    }
}

static void what_does_not_fit_is_refused(void **state) {
    uint8_t secret[48] = {1};
    struct tls_keys keys, other, untouched;

    (void)state;
    memset(&keys, 0x5a, sizeof(keys));
    other = untouched = keys;
    assert_int_equal(tls_keys_from_secret(TLS_AES_128_GCM, secret, 48, &keys), -EINVAL);
    assert_int_equal(tls_keys_from_secret(TLS_AES_256_GCM, secret, 32, &keys), -EINVAL);
    assert_int_equal(tls_keys_from_secret(TLS_CHACHA20_POLY1305, secret, 0, &keys), -EINVAL);
    assert_int_equal(tls_keys_from_secret(TLS_CIPHER_COUNT, secret, 32, &keys), -EINVAL);
    assert_int_equal(
        tls_keys_from_master(TLS_CIPHER_COUNT, false, secret, secret, secret, &keys, &other),
        -EINVAL);
    assert_memory_equal(&keys, &untouched, sizeof(keys));
    assert_memory_equal(&other, &untouched, sizeof(keys));
    keys.version = TLS_1_3;
    keys.cipher = TLS_CIPHER_COUNT;
    assert_int_equal(tls_keys_update(&keys), -EINVAL);

    memset(&untouched, 0, sizeof(untouched));
    tls_keys_erase(&keys);
    assert_memory_equal(&keys, &untouched, sizeof(keys));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_published_handshake),
        cmocka_unit_test(updates_follow_the_definition),
        cmocka_unit_test(a_key_block_is_parted_as_it_is_defined),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests_name("tls_keys", tests, NULL, NULL);
}
