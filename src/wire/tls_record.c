/* Records of TLS, sealed and opened where they lie. */
#include "wire/tls_record.h"

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/nonce_watch.h"

#define AAD_MAX 13 /* RFC 5246, 6.2.3.3 */

enum { AT_TYPE = 0, AT_VERSION = 1, AT_LENGTH = 3 }; /* in a header */

/* Fetched once, since each fetch takes locks and looks names up. Never freed. */
static struct {
    pthread_once_t once;
    EVP_CIPHER *evp[TLS_CIPHER_COUNT];
} aeads = {.once = PTHREAD_ONCE_INIT};

static void fetch_aeads(void) {
    static const char *const names[TLS_CIPHER_COUNT] = {
        [TLS_AES_128_GCM] = "AES-128-GCM",
        [TLS_AES_256_GCM] = "AES-256-GCM",
        [TLS_CHACHA20_POLY1305] = "ChaCha20-Poly1305",
    };

    for (size_t i = 0; i < TLS_CIPHER_COUNT; i++)
        aeads.evp[i] = EVP_CIPHER_fetch(NULL, names[i], NULL);
    ERR_clear_error();
}

static void write_record16(uint8_t *at, size_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void write_record64(uint8_t *at, uint64_t value) {
    value = htobe64(value);
    memcpy(at, &value, sizeof(value));
}

static size_t read_record16(const uint8_t *at) {
    return (size_t)at[0] << 8 | at[1];
}

int tls_half_begin(struct tls_half *half, const struct tls_keys *keys, bool seals) {
    if (keys->cipher >= TLS_CIPHER_COUNT || (keys->version != TLS_1_2 && keys->version != TLS_1_3))
        return -EINVAL;
    pthread_once(&aeads.once, fetch_aeads);
    EVP_CIPHER *evp = aeads.evp[keys->cipher];
    if (evp == NULL)
        return -ENOTSUP;
    if (half->ctx == NULL)
        half->ctx = EVP_CIPHER_CTX_new();
    if (half->ctx == NULL)
        return -ENOMEM;
    if (keys != &half->keys)
        half->keys = *keys;
    half->seals = seals;
    /* The iv is 12 bytes long by default: it is set for each record. */
    if (EVP_CipherInit_ex2(half->ctx, evp, half->keys.key, NULL, seals, NULL) != 1) {
        ERR_clear_error();
        return -ENOTSUP;
    }
    return 0;
}

void tls_half_end(struct tls_half *half) {
    EVP_CIPHER_CTX_free(half->ctx);
    half->ctx = NULL;
    tls_keys_erase(&half->keys);
}

size_t tls_before(const struct tls_half *half) {
    return tls_nonce_is_explicit(&half->keys) ? TLS_HEADER + TLS_NONCE_SIZE : TLS_HEADER;
}

size_t tls_after(const struct tls_half *half) {
    return half->keys.version == TLS_1_3 ? 1 + TLS_TAG_SIZE : TLS_TAG_SIZE;
}

size_t tls_most(const struct tls_half *half) {
    return half->most > 0 ? half->most : TLS_PLAIN_MAX;
}

/* The nonce of a record: the iv combined with the sequence number (RFC 8446, 5.3; RFC 7905, 2), or
 * the implicit bytes and those that stand in the record (RFC 5288, 3). */
static void make_nonce(const struct tls_keys *keys, const uint8_t *explicit_nonce,
                       uint8_t nonce[TLS_IV_SIZE]) {
    memcpy(nonce, keys->iv, TLS_IV_SIZE);
    if (explicit_nonce != NULL) {
        memcpy(nonce + TLS_IV_SIZE - TLS_NONCE_SIZE, explicit_nonce, TLS_NONCE_SIZE);
        return;
    }
    uint8_t sequence[sizeof(keys->sequence)];
    write_record64(sequence, keys->sequence);
    for (size_t i = 0; i < sizeof(sequence); i++)
        nonce[TLS_IV_SIZE - sizeof(sequence) + i] ^= sequence[i];
}

/* What is sealed besides the plaintext, n bytes. TLS 1.3: the header as it is on the wire (RFC
 * 8446, 5.2); 1.2: number, type, version, and the size of the plaintext (RFC 5246, 6.2.3.3). */
static size_t make_aad(const struct tls_keys *keys, const uint8_t *header, size_t n,
                       uint8_t aad[AAD_MAX]) {
    if (keys->version == TLS_1_3) {
        memcpy(aad, header, TLS_HEADER);
        return TLS_HEADER;
    }
    write_record64(aad, keys->sequence);
    memcpy(aad + 8, header, AT_LENGTH);
    write_record16(aad + 8 + AT_LENGTH, n);
    return AAD_MAX;
}

/* Seals or opens n bytes in place; the tag lies behind them. False: it does not match, or libcrypto
 * failed. The tag to compare with goes in with the nonce, in one call (its provider takes it after
 * the nonce). */
static bool run_aead(struct tls_half *half, const uint8_t *header, uint8_t *text, size_t n,
                     const uint8_t *explicit_nonce) {
    uint8_t nonce[TLS_IV_SIZE], aad[AAD_MAX];
    int aad_size = (int)make_aad(&half->keys, header, n, aad), done;
    OSSL_PARAM tag[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, text + n, TLS_TAG_SIZE),
        OSSL_PARAM_construct_end(),
    };

    make_nonce(&half->keys, explicit_nonce, nonce);
    return EVP_CipherInit_ex2(half->ctx, NULL, NULL, nonce, -1, half->seals ? NULL : tag) == 1 &&
           EVP_CipherUpdate(half->ctx, NULL, &done, aad, aad_size) == 1 &&
           EVP_CipherUpdate(half->ctx, text, &done, text, (int)n) == 1 &&
           EVP_CipherFinal_ex(half->ctx, text + n, &done) == 1 &&
           (!half->seals || EVP_CIPHER_CTX_get_params(half->ctx, tag) == 1);
}

/* For tests: no nonce seals twice. */
static void watch_nonce(const struct tls_keys *keys, const uint8_t *explicit_nonce,
                        enum tls_content content, const uint8_t *plain, size_t n) {
    uint8_t nonce[TLS_IV_SIZE];

    make_nonce(keys, explicit_nonce, nonce);
    NONCE_SEALED(.key = keys->key, .n_key = sizeof(keys->key), .nonce = nonce,
                 .sequence = keys->sequence, .content = (uint8_t)content, .plain = plain, .n = n);
}

ssize_t tls_seal(struct tls_half *half, enum tls_content content, uint8_t *record, size_t n) {
    struct tls_keys *keys = &half->keys;
    bool modern = keys->version == TLS_1_3, is_explicit = tls_nonce_is_explicit(keys);
    size_t before = tls_before(half), after = tls_after(half), size = before + n + after;

    CHECK(half->seals && n <= tls_most(half));
    if (keys->sequence == UINT64_MAX)
        return -EOVERFLOW;
    record[AT_TYPE] = modern ? TLS_DATA : (uint8_t)content;
    write_record16(record + AT_VERSION, TLS_1_2); /* in both: RFC 8446, 5.2 */
    write_record16(record + AT_LENGTH, size - TLS_HEADER);
    if (is_explicit)
        write_record64(record + TLS_HEADER, keys->nonce);
    if (modern)
        record[before + n++] = (uint8_t)content;
    const uint8_t *explicit_nonce = is_explicit ? record + TLS_HEADER : NULL;
    if (KILL_POINTS)
        watch_nonce(keys, explicit_nonce, content, record + before, n);
    if (!run_aead(half, record, record + before, n, explicit_nonce)) {
        ERR_clear_error();
        return -EIO;
    }
    keys->sequence++;
    keys->nonce++;
    return (ssize_t)size;
}

static enum tls_outcome bad_record(struct tls_opened *ret, enum tls_alert alert) {
    ret->alert = (uint8_t)alert;
    return TLS_BAD;
}

/* What the header alone says; OPENED: nothing against it. */
static enum tls_outcome check_record_header(const struct tls_half *half, const uint8_t *header,
                                            struct tls_opened *ret) {
    bool modern = half->keys.version == TLS_1_3;
    size_t length = read_record16(header + AT_LENGTH),
           least = tls_before(half) - TLS_HEADER + TLS_TAG_SIZE;

    /* Once Finished has come, nothing may be without protection, not even a change_cipher_spec
     * (RFC 8446, 5). 5.1 has the version ignored where there is no protection yet; of a protected
     * record it is always this one (5.2), and others refuse other ones, too. */
    if (modern && header[AT_TYPE] != TLS_DATA)
        return bad_record(ret, TLS_UNEXPECTED_MESSAGE);
    if (read_record16(header + AT_VERSION) != TLS_1_2) /* RFC 5246, 6.2.1 */
        return bad_record(ret, modern ? TLS_DECODE_ERROR : TLS_PROTOCOL_VERSION);
    /* 1.2 allows 2^14 + 2048 (RFC 5246, 6.2.3), but its AEADs add no more than this. */
    if (length > (modern ? TLS_WIRE_MAX - TLS_HEADER : TLS_PLAIN_MAX + least))
        return bad_record(ret, TLS_RECORD_OVERFLOW);
    if (length < least)
        return bad_record(ret, TLS_BAD_RECORD_MAC);
    return TLS_OPENED;
}

/* TLS 1.3: behind the content is its type, and any number of zeros (RFC 8446, 5.4). */
static enum tls_outcome find_content(struct tls_opened *opened, struct tls_opened *ret) {
    size_t n = opened->n;

    if (n > TLS_PLAIN_MAX + 1) /* type and zeros included */
        return bad_record(ret, TLS_RECORD_OVERFLOW);
    while (n > 0 && opened->plain[n - 1] == 0)
        n--;
    if (n == 0)
        return bad_record(ret, TLS_UNEXPECTED_MESSAGE);
    opened->n = n - 1;
    opened->content = (enum tls_content)opened->plain[n - 1];
    return TLS_OPENED;
}

enum tls_outcome tls_open(struct tls_half *half, uint8_t *bytes, size_t have,
                          struct tls_opened *ret) {
    size_t before = tls_before(half);

    CHECK(!half->seals);
    if (have < TLS_HEADER)
        return TLS_MORE;
    if (check_record_header(half, bytes, ret) != TLS_OPENED)
        return TLS_BAD;
    struct tls_opened opened = {
        .content = (enum tls_content)bytes[AT_TYPE],
        .plain = bytes + before,
        .size = TLS_HEADER + read_record16(bytes + AT_LENGTH),
    };
    if (have < opened.size)
        return TLS_MORE;
    opened.n = opened.size - before - TLS_TAG_SIZE;
    if (half->keys.sequence == UINT64_MAX) /* RFC 8446, 5.3 */
        return bad_record(ret, TLS_INTERNAL_ERROR);
    bool is_explicit = tls_nonce_is_explicit(&half->keys);
    if (!run_aead(half, bytes, opened.plain, opened.n, is_explicit ? bytes + TLS_HEADER : NULL)) {
        ERR_clear_error();
        return bad_record(ret, TLS_BAD_RECORD_MAC);
    }
    if (half->keys.version == TLS_1_3 && find_content(&opened, ret) != TLS_OPENED)
        return TLS_BAD;
    if (opened.n > tls_most(half))
        return bad_record(ret, TLS_RECORD_OVERFLOW);
    half->keys.sequence++;
    *ret = opened;
    return TLS_OPENED;
}
