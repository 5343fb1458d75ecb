/* Records as a peer may make them that keeps to no rule, sealed as RFC 8446, 5.2 and 5.3, RFC 5288
 * and RFC 7905 say; nothing of wire/tls_record is in it. */
#ifndef TLS_BY_HAND_H
#define TLS_BY_HAND_H

#include <string.h>

#include <openssl/evp.h>

#include "unit.h"

#include "wire/tls_record.h"

#define BY_HAND_MAX (TLS_WIRE_MAX + 1024)

static inline const EVP_CIPHER *by_hand_cipher(const struct tls_keys *keys) {
    return keys->cipher == TLS_AES_128_GCM   ? EVP_aes_128_gcm()
           : keys->cipher == TLS_AES_256_GCM ? EVP_aes_256_gcm()
                                             : EVP_chacha20_poly1305();
}

static inline void by_hand_number(uint8_t *at, uint64_t number) {
    for (int i = 7; i >= 0; i--, number >>= 8)
        at[i] = (uint8_t)number;
}

/* A record with this outer type and version, whose cleartext is n bytes of inner. Returns its
 * size. Moves the numbers on. */
static inline size_t by_hand_seal(struct tls_keys *keys, uint8_t type, unsigned version,
                                  const uint8_t *inner, size_t n, uint8_t *record) {
    bool modern = keys->version == TLS_1_3,
         gcm12 = !modern && keys->cipher != TLS_CHACHA20_POLY1305;
    size_t before = gcm12 ? 13 : 5, length = before - 5 + n + 16;
    uint8_t nonce[12], number[8], aad[13];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int done;

    record[0] = type;
    record[1] = (uint8_t)(version >> 8);
    record[2] = (uint8_t)version;
    record[3] = (uint8_t)(length >> 8);
    record[4] = (uint8_t)length;
    by_hand_number(number, keys->sequence);
    memcpy(nonce, keys->iv, 12);
    for (int i = 0; i < 8 && !gcm12; i++)
        nonce[4 + i] ^= number[i];
    if (gcm12) {
        by_hand_number(record + 5, keys->nonce);
        memcpy(nonce + 4, record + 5, 8);
    }
    memcpy(aad, number, 8);
    memcpy(aad + 8, record, 3);
    aad[11] = (uint8_t)(n >> 8);
    aad[12] = (uint8_t)n;
    assert_int_equal(EVP_EncryptInit_ex(ctx, by_hand_cipher(keys), NULL, keys->key, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &done, modern ? record : aad, modern ? 5 : 13),
                     1);
    assert_int_equal(EVP_EncryptUpdate(ctx, record + before, &done, inner, (int)n), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, record + before + n, &done), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, record + before + n), 1);
    EVP_CIPHER_CTX_free(ctx);
    keys->sequence++;
    keys->nonce++;
    return 5 + length;
}

/* Keys of either version that nobody else has; numbers that show a byte in a wrong place. */
static inline struct tls_keys by_hand_keys(unsigned version, enum tls_cipher cipher) {
    struct tls_keys keys, server;
    uint8_t secret[48];

    for (size_t i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)(i * 5 + version + cipher);
    if (version == TLS_1_3)
        assert_int_equal(
            tls_keys_from_secret(cipher, secret, cipher == TLS_AES_256_GCM ? 48 : 32, &keys), 0);
    else
        assert_int_equal(
            tls_keys_from_master(cipher, false, secret, secret, secret, &keys, &server), 0);
    keys.sequence = 0x0102030405060708;
    keys.nonce = 0xa1a2a3a4a5a6a7fe; /* RFC 5288, 3: it need not be the sequence number */
    return keys;
}

/* Both versions, all ciphers. */
#define EACH_BY_HAND(keys)                                                                         \
    for (unsigned each_ = 0; each_ < 2 * TLS_CIPHER_COUNT; each_++)                                \
        for (struct tls_keys keys = by_hand_keys(each_ % 2 == 0 ? TLS_1_2 : TLS_1_3, each_ / 2),   \
                             *once_ = &keys;                                                       \
             once_ != NULL; once_ = NULL)

#endif
