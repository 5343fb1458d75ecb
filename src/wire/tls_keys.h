/* The keys of one direction of a TLS connection, and how they are made: TLS 1.3 from a traffic
 * secret (RFC 8446, 7), TLS 1.2 from the master secret (RFC 5246, 6.3). Flat: what is in it can lie
 * in a table that outlives the process. Pure; any thread. */
#ifndef WIRE_TLS_KEYS_H
#define WIRE_TLS_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

#define TLS_1_2 0x0303u
#define TLS_1_3 0x0304u

#define TLS_KEY_MAX     32
#define TLS_IV_SIZE     12
#define TLS_SECRET_MAX  48 /* SHA-384 */
#define TLS_MASTER_SIZE 48 /* RFC 5246, 8.1 */
#define TLS_RANDOM_SIZE 32 /* RFC 5246, 7.4.1.2 */

enum tls_cipher { TLS_AES_128_GCM, TLS_AES_256_GCM, TLS_CHACHA20_POLY1305, TLS_CIPHER_COUNT };

struct tls_keys {
    uint16_t version;    /* TLS_1_2 or TLS_1_3 */
    uint8_t cipher;      /* enum tls_cipher */
    uint8_t secret_size; /* 0 in TLS 1.2 */
    uint8_t key[TLS_KEY_MAX];
    uint8_t iv[TLS_IV_SIZE];        /* TLS 1.2 with GCM: the 4 implicit bytes (RFC 5288, 3) */
    uint8_t secret[TLS_SECRET_MAX]; /* TLS 1.3: the traffic secret */
    uint64_t sequence;              /* the next record's */
    uint64_t nonce; /* TLS 1.2 with GCM, to seal: the next explicit nonce; not the sequence number,
                     * since whoever made the handshake may have begun elsewhere */
};

/* Bytes of the cipher's key. */
size_t tls_key_size(enum tls_cipher cipher);

/* Whether the records carry eight bytes of the nonce: TLS 1.2 with GCM. */
bool tls_nonce_is_explicit(const struct tls_keys *keys);

/* TLS 1.3 (RFC 8446, 7.3), sequence 0. 0, -EINVAL (a secret of another size than the cipher's
 * hash, an unknown cipher), or -ENOMEM or -ENOTSUP of libcrypto. */
int tls_keys_from_secret(enum tls_cipher cipher, const uint8_t *secret, size_t n,
                         struct tls_keys *ret) MUST_USE;

/* TLS 1.2 (RFC 5246, 6.3), both directions, sequence 1: Finished was 0. The nonce is 0: whoever
 * seals sets it. `sha384`: the hash of the cipher suite's PRF, else SHA-256. Errors as above. */
int tls_keys_from_master(enum tls_cipher cipher, bool sha384, const uint8_t master[TLS_MASTER_SIZE],
                         const uint8_t client_random[TLS_RANDOM_SIZE],
                         const uint8_t server_random[TLS_RANDOM_SIZE], struct tls_keys *ret_client,
                         struct tls_keys *ret_server) MUST_USE;

/* The next generation (RFC 8446, 7.2), sequence 0; a cipher context of them needs tls_half_begin
 * anew. Errors as above, TLS 1.2 among them; then nothing has changed. */
int tls_keys_update(struct tls_keys *keys) MUST_USE;

/* Overwrites it all. */
void tls_keys_erase(struct tls_keys *keys);

#endif
