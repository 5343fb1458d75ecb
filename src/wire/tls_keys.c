/* HKDF-Expand-Label and the PRF of TLS 1.2, by libcrypto. */
#include "wire/tls_keys.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#define GCM_IMPLICIT 4 /* bytes of the nonce that stand in no record: RFC 5288, 3 */

enum tls_hash { TLS_SHA256, TLS_SHA384, TLS_HASH_COUNT };

static const struct {
    uint8_t key_size, secret_size;
    enum tls_hash hash; /* of TLS 1.3 (RFC 8446, B.4) */
} tls_ciphers[TLS_CIPHER_COUNT] = {
    [TLS_AES_128_GCM] = {16, 32, TLS_SHA256},
    [TLS_AES_256_GCM] = {32, 48, TLS_SHA384},
    [TLS_CHACHA20_POLY1305] = {32, 32, TLS_SHA256},
};

static const char *const hash_names[TLS_HASH_COUNT] = {"SHA256", "SHA384"};

/* Fetched once, since each fetch takes locks and looks names up, as libcrypto's own HKDF does each
 * time. Never freed. */
static struct {
    pthread_once_t once;
    EVP_KDF *prf;
    EVP_MAC_CTX *hmac[TLS_HASH_COUNT]; /* without a key: to be copied */
} kdfs = {.once = PTHREAD_ONCE_INIT};

size_t tls_key_size(enum tls_cipher cipher) {
    CHECK(cipher < TLS_CIPHER_COUNT);
    return tls_ciphers[cipher].key_size;
}

bool tls_nonce_is_explicit(const struct tls_keys *keys) {
    return keys->version == TLS_1_2 && keys->cipher != TLS_CHACHA20_POLY1305;
}

static OSSL_PARAM kdf_bytes(const char *name, const void *bytes, size_t n) {
    /* only read, but a parameter has no const */
    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)bytes, n);
}

static OSSL_PARAM kdf_text(const char *name, const char *text) {
    return OSSL_PARAM_construct_utf8_string(name, (char *)(uintptr_t)text, 0);
}

static int derive(EVP_KDF *kdf, const OSSL_PARAM *params, uint8_t *ret, size_t n) {
    EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;

    if (ctx == NULL)
        return kdf != NULL ? -ENOMEM : -ENOTSUP;
    int error = EVP_KDF_derive(ctx, ret, n, params) == 1 ? 0 : -ENOTSUP;
    EVP_KDF_CTX_free(ctx);
    if (error != 0)
        ERR_clear_error();
    return error;
}

static EVP_MAC_CTX *make_hmac(EVP_MAC *mac, const char *hash) {
    EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    const OSSL_PARAM params[] = {kdf_text(OSSL_MAC_PARAM_DIGEST, hash), OSSL_PARAM_construct_end()};

    if (ctx == NULL || EVP_MAC_CTX_set_params(ctx, params) == 1)
        return ctx;
    EVP_MAC_CTX_free(ctx);
    return NULL;
}

static void fetch_kdfs(void) {
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    for (int hash = 0; hash < TLS_HASH_COUNT; hash++)
        kdfs.hmac[hash] = make_hmac(mac, hash_names[hash]);
    EVP_MAC_free(mac);
    kdfs.prf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    ERR_clear_error();
}

/* HKDF-Expand of a secret, which is hashed once for all labels. */
static int begin_expand(enum tls_cipher cipher, const uint8_t *secret, EVP_MAC_CTX **ret_keyed) {
    const EVP_MAC_CTX *hmac = kdfs.hmac[tls_ciphers[cipher].hash];
    EVP_MAC_CTX *keyed = hmac != NULL ? EVP_MAC_CTX_dup(hmac) : NULL;

    if (keyed == NULL)
        return hmac != NULL ? -ENOMEM : -ENOTSUP;
    if (EVP_MAC_init(keyed, secret, tls_ciphers[cipher].secret_size, NULL) != 1) {
        EVP_MAC_CTX_free(keyed);
        ERR_clear_error();
        return -ENOTSUP;
    }
    *ret_keyed = keyed;
    return 0;
}

/* HKDF-Expand-Label(secret, label, "", n): RFC 8446, 7.1. n is no more than the hash has, so one
 * HMAC makes it (RFC 5869, 2.3). */
static int expand_label(const EVP_MAC_CTX *keyed, const char *label, uint8_t *ret, size_t n) {
    size_t length = strlen(label), size = 0;
    uint8_t info[32] = {(uint8_t)(n >> 8), (uint8_t)n, (uint8_t)(6 + length)};
    uint8_t block[EVP_MAX_MD_SIZE];
    EVP_MAC_CTX *mac = EVP_MAC_CTX_dup(keyed);

    CHECK(length <= sizeof(info) - 11);
    memcpy(info + 3, "tls13 ", 6);
    memcpy(info + 9, label, length);
    info[10 + length] = 1; /* behind an empty context's length: the first block */
    if (mac == NULL)
        return -ENOMEM;
    bool made = EVP_MAC_update(mac, info, 11 + length) == 1 &&
                EVP_MAC_final(mac, block, &size, sizeof(block)) == 1 && size >= n;
    EVP_MAC_CTX_free(mac);
    if (made)
        memcpy(ret, block, n);
    else
        ERR_clear_error();
    explicit_bzero(block, sizeof(block));
    return made ? 0 : -ENOTSUP;
}

int tls_keys_from_secret(enum tls_cipher cipher, const uint8_t *secret, size_t n,
                         struct tls_keys *ret) {
    struct tls_keys keys = {.version = TLS_1_3, .cipher = (uint8_t)cipher};
    EVP_MAC_CTX *keyed;

    if (cipher >= TLS_CIPHER_COUNT || n != tls_ciphers[cipher].secret_size)
        return -EINVAL;
    pthread_once(&kdfs.once, fetch_kdfs);
    int error = begin_expand(cipher, secret, &keyed);
    if (error != 0)
        return error;
    keys.secret_size = (uint8_t)n;
    memcpy(keys.secret, secret, n);
    error = expand_label(keyed, "key", keys.key, tls_ciphers[cipher].key_size);
    if (error == 0)
        error = expand_label(keyed, "iv", keys.iv, TLS_IV_SIZE);
    EVP_MAC_CTX_free(keyed);
    if (error == 0)
        *ret = keys;
    tls_keys_erase(&keys);
    return error;
}

int tls_keys_update(struct tls_keys *keys) {
    uint8_t secret[TLS_SECRET_MAX];
    EVP_MAC_CTX *keyed;

    if (keys->version != TLS_1_3 || keys->cipher >= TLS_CIPHER_COUNT)
        return -EINVAL;
    pthread_once(&kdfs.once, fetch_kdfs);
    int error = begin_expand(keys->cipher, keys->secret, &keyed);
    if (error != 0)
        return error;
    error = expand_label(keyed, "traffic upd", secret, keys->secret_size);
    EVP_MAC_CTX_free(keyed);
    if (error == 0)
        error = tls_keys_from_secret(keys->cipher, secret, keys->secret_size, keys);
    explicit_bzero(secret, sizeof(secret));
    return error;
}

/* PRF(master, "key expansion", server_random + client_random): RFC 5246, 6.3. */
static int expand_key_block(bool sha384, const uint8_t *master, const uint8_t *client_random,
                            const uint8_t *server_random, uint8_t *ret, size_t n) {
    static const char label[] = "key expansion";
    uint8_t seed[sizeof(label) - 1 + 2 * TLS_RANDOM_SIZE];

    memcpy(seed, label, sizeof(label) - 1);
    memcpy(seed + sizeof(label) - 1, server_random, TLS_RANDOM_SIZE);
    memcpy(seed + sizeof(label) - 1 + TLS_RANDOM_SIZE, client_random, TLS_RANDOM_SIZE);
    OSSL_PARAM params[] = {
        kdf_text(OSSL_KDF_PARAM_DIGEST, hash_names[sha384 ? TLS_SHA384 : TLS_SHA256]),
        kdf_bytes(OSSL_KDF_PARAM_SECRET, master, TLS_MASTER_SIZE),
        kdf_bytes(OSSL_KDF_PARAM_SEED, seed, sizeof(seed)),
        OSSL_PARAM_construct_end(),
    };
    return derive(kdfs.prf, params, ret, n);
}

int tls_keys_from_master(enum tls_cipher cipher, bool sha384, const uint8_t master[TLS_MASTER_SIZE],
                         const uint8_t client_random[TLS_RANDOM_SIZE],
                         const uint8_t server_random[TLS_RANDOM_SIZE], struct tls_keys *ret_client,
                         struct tls_keys *ret_server) {
    struct tls_keys keys = {.version = TLS_1_2, .cipher = (uint8_t)cipher, .sequence = 1};
    uint8_t block[2 * (TLS_KEY_MAX + TLS_IV_SIZE)];

    if (cipher >= TLS_CIPHER_COUNT)
        return -EINVAL;
    pthread_once(&kdfs.once, fetch_kdfs);
    /* An AEAD has no MAC keys: client's key, server's key, client's iv, server's iv. */
    size_t key = tls_ciphers[cipher].key_size,
           iv = tls_nonce_is_explicit(&keys) ? GCM_IMPLICIT : TLS_IV_SIZE;
    int error =
        expand_key_block(sha384, master, client_random, server_random, block, 2 * (key + iv));
    if (error == 0) {
        *ret_client = *ret_server = keys;
        memcpy(ret_client->key, block, key);
        memcpy(ret_server->key, block + key, key);
        memcpy(ret_client->iv, block + 2 * key, iv);
        memcpy(ret_server->iv, block + 2 * key + iv, iv);
    }
    explicit_bzero(block, sizeof(block));
    return error;
}

void tls_keys_erase(struct tls_keys *keys) {
    explicit_bzero(keys, sizeof(*keys));
}
