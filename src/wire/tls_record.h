/* The record layer of TLS 1.2 and 1.3 with AEAD, behind the handshake: records sealed and opened
 * where they lie. It holds what RFC 8446, 5.2 to 5.4, RFC 5246, 6.2.3.3, RFC 5288 and RFC 7905 say
 * of one record; what a record means, and in which order records may come, is wire/tls_rules.
 *
 * Its fast path calls libcrypto four times a record and allocates nothing. */
#ifndef WIRE_TLS_RECORD_H
#define WIRE_TLS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/check.h"
#include "wire/tls_keys.h"

typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX; /* libcrypto's; a build without it has none */

#define TLS_HEADER     5
#define TLS_NONCE_SIZE 8                             /* explicit: TLS 1.2 with GCM */
#define TLS_TAG_SIZE   16                            /* of all three ciphers */
#define TLS_BEFORE_MAX (TLS_HEADER + TLS_NONCE_SIZE) /* a record's bytes before its plaintext */
#define TLS_AFTER_MAX  (1 + TLS_TAG_SIZE)            /* and behind it */
#define TLS_PLAIN_MIN  512                           /* a peer can bound it to that: RFC 6066, 4 */
#define TLS_PLAIN_MAX  16384                         /* RFC 8446, 5.1; RFC 5246, 6.2.1 */
#define TLS_WIRE_MAX   (TLS_HEADER + TLS_PLAIN_MAX + 256) /* RFC 8446, 5.2 */

/* RFC 8446, 5.1, and B.1. */
enum tls_content { TLS_CHANGE_CIPHER = 20, TLS_ALERT = 21, TLS_HANDSHAKE = 22, TLS_DATA = 23 };

/* What is sent when a rule was broken: RFC 8446, 6, and B.2; RFC 5246, 7.2. */
enum tls_alert {
    TLS_CLOSE_NOTIFY = 0,
    TLS_UNEXPECTED_MESSAGE = 10,
    TLS_BAD_RECORD_MAC = 20,
    TLS_RECORD_OVERFLOW = 22,
    TLS_ILLEGAL_PARAMETER = 47,
    TLS_DECODE_ERROR = 50,
    TLS_PROTOCOL_VERSION = 70,
    TLS_INTERNAL_ERROR = 80,
    TLS_USER_CANCELED = 90,
    TLS_NO_RENEGOTIATION = 100,
};

/* One direction, one thread's at a time; no lock. Zeroed at first. */
struct tls_half {
    struct tls_keys keys; /* what the next record needs */
    EVP_CIPHER_CTX *ctx;  /* has the key, too */
    bool seals;
    uint16_t most; /* plaintext bytes of a record, if fewer were agreed on (RFC 6066, 4); or 0 */
};

/* Takes a copy of keys, which may be the half's own (after tls_keys_update); uses the context that
 * is there already, whatever its cipher and direction were. 0; -EINVAL, -ENOMEM or -ENOTSUP: only
 * tls_half_end and tls_half_begin may follow. */
int tls_half_begin(struct tls_half *half, const struct tls_keys *keys, bool seals) MUST_USE;

/* Frees the context and overwrites the keys. A zeroed half is fine. */
void tls_half_end(struct tls_half *half);

/* Bytes of a sealed record before its plaintext (5 or 13) and behind it (16 or 17). */
size_t tls_before(const struct tls_half *half);
size_t tls_after(const struct tls_half *half);

/* The plaintext bytes that a record may have. */
size_t tls_most(const struct tls_half *half);

/* The plaintext, n bytes, at most tls_most(half), lies at record + tls_before(half), and
 * tls_after(half) bytes behind it are written, too. Returns the record's size; -EOVERFLOW when the
 * sequence number would wrap (RFC 8446, 5.3; RFC 5246, 6.1); -EIO: libcrypto failed, and the half
 * is of no use. */
ssize_t tls_seal(struct tls_half *half, enum tls_content content, uint8_t *record,
                 size_t n) MUST_USE;

enum tls_outcome { TLS_MORE, TLS_OPENED, TLS_BAD };

struct tls_opened {
    enum tls_content content; /* as the peer said it: any byte but 0 */
    uint8_t *plain;           /* within the bytes given */
    size_t n;
    size_t size;   /* of the record on the wire */
    uint8_t alert; /* of TLS_BAD: enum tls_alert, to be sent */
};

/* Opens the first record of bytes where it lies. MORE: the record is not whole; BAD as soon as its
 * header is wrong, and the bytes may have been overwritten. *ret is untouched by MORE; of BAD only
 * its alert counts. No more calls after BAD. */
enum tls_outcome tls_open(struct tls_half *half, uint8_t *bytes, size_t have,
                          struct tls_opened *ret) MUST_USE;

#endif
