#include "tls/ticket_callback.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "tls/certificate_facts.h"

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3) */
enum ticket_answer { TICKET_FAILED = -1, TICKET_UNKNOWN = 0, TICKET_GOOD = 1, TICKET_OLD = 2 };

static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static EVP_CIPHER *aes_128, *aes_256;
static int keys_index;

static void fetch_ciphers(void) {
    aes_128 = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
    aes_256 = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    keys_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    CHECK(keys_index >= 0);
}

/* A file's keys. False: unknown. */
static bool find_shared(const struct ticket_keys *keys, const uint8_t *name, struct ticket_key *ret,
                        bool *ret_first) {
    for (uint32_t i = 0; i < TICKET_KEYS; i++)
        if (memcmp(keys->list[i].name, name, TICKET_NAME_SIZE) == 0) {
            *ret = keys->list[i];
            *ret_first = i == keys->first;
            return true;
        }
    return false;
}

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *key) {
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, key->size),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static bool set_cipher(EVP_CIPHER_CTX *cipher, const struct ticket_key *key,
                       const unsigned char *iv, int encrypts) {
    const EVP_CIPHER *kind = key->size == sizeof(key->cipher) ? aes_256 : aes_128;

    return kind != NULL && EVP_CipherInit_ex2(cipher, kind, key->cipher, iv, encrypts, NULL) == 1;
}

static enum ticket_answer find_ticket_key(SSL *ssl, const struct ticket_keys *shared,
                                          const unsigned char *name, struct ticket_key *ret) {
    bool first = false;
    bool found = shared != NULL ? find_shared(shared, name, ret, &first)
                                : tickets_find((int64_t)time(NULL), name, ret, &first);

    if (!found)
        return TICKET_UNKNOWN;
    /* A ticket of 1.3 is used once (RFC 8446, C.4): there is always another. */
    return first && SSL_version(ssl) < TLS1_3_VERSION ? TICKET_GOOD : TICKET_OLD;
}

static enum ticket_answer take_ticket_key(const struct ticket_keys *shared, unsigned char *name,
                                          unsigned char *iv, struct ticket_key *ret) {
    if (shared != NULL)
        *ret = shared->list[shared->first];
    else if (!tickets_get((int64_t)time(NULL), ret))
        return TICKET_FAILED;
    memcpy(name, ret->name, TICKET_NAME_SIZE);
    return RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1 ? TICKET_GOOD : TICKET_FAILED;
}

/* Gives libssl what it needs to make a ticket or to open one; it compares the sums itself. */
static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                         EVP_MAC_CTX *mac, int encrypts) {
    const struct ticket_keys *shared = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), keys_index);
    struct ticket_key key = {0};
    enum ticket_answer answer = encrypts == 0 ? find_ticket_key(ssl, shared, name, &key)
                                              : take_ticket_key(shared, name, iv, &key);

    if (answer > 0 && (!set_mac(mac, &key) || !set_cipher(cipher, &key, iv, encrypts)))
        answer = TICKET_FAILED;
    explicit_bzero(&key, sizeof(key));
    return answer;
}

/* libssl takes no const. */
static void *without_const(const void *kept) {
    union {
        const void *kept;
        void *given;
    } pointer = {.kept = kept};

    return pointer.given;
}

void ticket_keys_use(SSL_CTX *ctx, const struct ticket_keys *keys) {
    pthread_once(&fetched, fetch_ciphers);
    CHECK(SSL_CTX_set_ex_data(ctx, keys_index, without_const(keys)) == 1);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket_key);
}

static int64_t end_of_chain(const STACK_OF(X509) * chain) {
    int64_t end = INT64_MAX;

    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t one = certificate_seconds(X509_get0_notAfter(sk_X509_value(chain, i)));

        end = one < end ? one : end;
    }
    return end;
}

/* ended_certificate: a session that goes on was not verified anew, and keeps its end. 0: no
 * memory. */
static int on_ticket_made(SSL *ssl, void *arg) {
    const STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
    int64_t end = end_of_chain(chain);

    (void)arg;
    return chain == NULL ||
           SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &end, sizeof(end)) == 1;
}

static bool is_verified_yet(SSL_SESSION *session, int64_t lists_end) {
    int64_t now = (int64_t)time(NULL), end;
    void *data = NULL;
    size_t n = 0;

    if (SSL_SESSION_get0_peer(session) == NULL)
        return true;
    if (SSL_SESSION_get0_ticket_appdata(session, &data, &n) != 1 || n != sizeof(end))
        return false;
    memcpy(&end, data, sizeof(end));
    return now < end && now < lists_end;
}

/* ended_certificate */
static SSL_TICKET_RETURN on_ticket_opened(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                          size_t n, SSL_TICKET_STATUS status, void *arg) {
    const int64_t *lists_end = arg;

    (void)ssl, (void)name, (void)n;
    if ((status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) ||
        !is_verified_yet(session, *lists_end))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

void ticket_ends_use(SSL_CTX *ctx, const int64_t *lists_end) {
    (void)SSL_CTX_set_session_ticket_cb(ctx, on_ticket_made, on_ticket_opened,
                                        without_const(lists_end));
}
