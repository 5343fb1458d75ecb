#include "tls/server_context.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/stats.h"
#include "tls/alpn.h"
#include "tls/authorities.h"
#include "tls/handshake.h"
#include "tls/suites.h"
#include "tls/ticket_callback.h"
#include "tls/ticket_file.h"

#define NAME_MOST 253 /* RFC 1035, 2.3.4 */

/* What the callbacks of an SSL_CTX stand on. */
struct footing {
    struct tls_certificates certificates;
    struct alpn alpn;
    struct ticket_keys tickets; /* of a file */
    int64_t lists_end;          /* ended_certificate */
};

static pthread_once_t index_once = PTHREAD_ONCE_INIT;
static int footing_index;

static void free_footing(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argl,
                         void *argp) {
    struct footing *footing = data;

    (void)parent, (void)all, (void)index, (void)argl, (void)argp;
    if (footing == NULL)
        return;
    certificates_free(&footing->certificates);
    free(footing->alpn.bytes);
    explicit_bzero(&footing->tickets, sizeof(footing->tickets));
    free(footing);
}

static void make_index(void) {
    footing_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_footing);
    CHECK(footing_index >= 0);
}

const struct tls_certificates *server_context_certificates(const SSL_CTX *ctx) {
    const struct footing *footing = SSL_CTX_get_ex_data(ctx, footing_index);

    return &footing->certificates;
}

/* The one host name of the extension (RFC 6066, 3), in small letters; false: there is none. */
static bool read_name(SSL *ssl, char name[NAME_MOST + 1]) {
    const unsigned char *bytes;
    size_t n, length;

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &n) != 1 || n < 5 ||
        bytes[2] != TLSEXT_NAMETYPE_host_name)
        return false;
    length = (size_t)bytes[3] << 8 | bytes[4];
    if (length + 5 > n || length > NAME_MOST || memchr(bytes + 5, '\0', length) != NULL)
        return false;
    for (size_t i = 0; i < length; i++)
        name[i] = (char)tolower(bytes[5 + i]);
    name[length] = '\0';
    return true;
}

static bool use_choice(SSL *ssl, const struct tls_choice *choice) {
    SSL_certs_clear(ssl);
    for (size_t i = 0; i < TLS_KEY_TYPES; i++) {
        const struct tls_certificate *one = choice->by_type[i];

        if (one != NULL && SSL_use_cert_and_key(ssl, one->leaf, one->key, one->chain, 1) != 1)
            return false;
    }
    return true;
}

/* wrong_session */
static int on_client_hello(SSL *ssl, int *alert, void *arg) {
    const struct footing *footing = arg;
    const struct tls_certificates *certificates = &footing->certificates;
    char name[NAME_MOST + 1];
    bool named = read_name(ssl, name);
    const struct tls_choice *choice = certificates_find(certificates, named ? name : NULL);
    bool same =
        memcmp(choice->by_type, certificates->fallback.by_type, sizeof(choice->by_type)) == 0;

    if (named && choice == &certificates->fallback)
        stats_add(STAT_unknown_names, 1);
    if (SSL_set_session_id_context(ssl, choice->session, sizeof(choice->session)) == 1 &&
        (same || use_choice(ssl, choice)))
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
}

/* The first of ours that the client has, too; without one the handshake fails (RFC 7301, 3.2). */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                   const unsigned char *theirs, unsigned theirs_n, void *arg) {
    const struct alpn *ours = arg;
    unsigned char *chosen;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_n, ours->bytes, ours->n, theirs, theirs_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool use_fallback(SSL_CTX *ctx, const struct tls_certificates *certificates,
                         struct tls_problems *problems) {
    for (size_t i = 0; i < TLS_KEY_TYPES; i++) {
        const struct tls_certificate *one = certificates->fallback.by_type[i];

        if (one != NULL && SSL_CTX_use_cert_and_key(ctx, one->leaf, one->key, one->chain, 1) != 1) {
            tls_tell(problems, TLS_WRONG, "%s: libssl does not take this certificate: %s",
                     one->file, ERR_reason_error_string(ERR_peek_last_error()));
            ERR_clear_error();
            return false;
        }
    }
    return true;
}

/* Who verifies clients, and how. */
static bool use_verification(SSL_CTX *ctx, const struct tls_server_settings *settings,
                             struct footing *footing, EVP_MD_CTX *digest,
                             struct tls_problems *problems) {
    bool off = settings->verify_client == TLS_VERIFY_OFF;

    if (off)
        return true;
    SSL_CTX_set_verify(
        ctx,
        SSL_VERIFY_PEER |
            (settings->verify_client == TLS_VERIFY_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        NULL);
    footing->lists_end = INT64_MAX;
    ticket_ends_use(ctx, &footing->lists_end);
    problems->option = "ca";
    bool good = authorities_read(ctx, settings->ca, true, digest, problems);
    problems->option = "crl";
    return (settings->crl[0] == '\0' ||
            authorities_read_revoked(ctx, settings->crl, digest, &footing->lists_end, problems)) &&
           good;
}

static void use_settings(SSL_CTX *ctx, const struct tls_server_settings *settings,
                         struct footing *footing, struct tls_problems *problems) {
    if (settings->min_version == TLS_LEAST_1_3)
        (void)SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    problems->option = "ciphers";
    suites_use(ctx, settings->ciphers, problems);
    problems->option = "groups";
    groups_use(ctx, settings->groups, problems);
    problems->option = "alpn";
    if (alpn_encode(settings->alpn, settings->n_alpn, &footing->alpn, problems) &&
        footing->alpn.n > 0)
        SSL_CTX_set_alpn_select_cb(ctx, on_alpn, &footing->alpn);
    problems->option = "ticket_keys";
    if (!settings->tickets) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        (void)SSL_CTX_set_num_tickets(ctx, 0);
    } else if (settings->ticket_keys[0] == '\0') {
        ticket_keys_use(ctx, NULL);
    } else if (ticket_file_read(settings->ticket_keys, &footing->tickets, problems)) {
        ticket_keys_use(ctx, &footing->tickets);
    }
}

static bool digest_text(EVP_MD_CTX *digest, const char *text) {
    return EVP_DigestUpdate(digest, text, strlen(text) + 1) == 1;
}

/* wrong_session: all that a resumed session must have in common with a new one. (In TLS 1.2 it goes
 * on with its suite, whatever the list of suites is now; so does its secret, made in a group.) */
static bool begin_digest(EVP_MD_CTX *digest, const struct tls_server_settings *settings) {
    return EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
           digest_text(digest, settings->listener) && digest_text(digest, settings->ciphers) &&
           digest_text(digest, settings->groups) &&
           EVP_DigestUpdate(digest, &settings->verify_client, sizeof(settings->verify_client)) == 1;
}

static bool fill_context(SSL_CTX *ctx, const struct tls_server_settings *settings,
                         struct footing *footing, const struct tls_certificates *former,
                         struct tls_problems *problems) {
    EVP_MD_CTX *digest = EVP_MD_CTX_new();

    tls_handshake_prepare(ctx);
    SSL_CTX_set_client_hello_cb(ctx, on_client_hello, footing);
    if (digest == NULL || !begin_digest(digest, settings)) {
        EVP_MD_CTX_free(digest);
        tls_tell_no_memory(problems);
        return false;
    }
    use_settings(ctx, settings, footing, problems);
    bool good = use_verification(ctx, settings, footing, digest, problems);
    problems->option = "certificate";
    good &= certificates_read(&footing->certificates, settings->certificates,
                              settings->n_certificates, settings->key, former, problems);
    if (good)
        good = use_fallback(ctx, &footing->certificates, problems);
    if (good && !certificates_bind(&footing->certificates, digest)) {
        tls_tell_no_memory(problems);
        good = false;
    }
    EVP_MD_CTX_free(digest);
    return good && !problems->failed;
}

SSL_CTX *server_context_new(const struct tls_server_settings *settings,
                            const struct tls_certificates *former, struct tls_problems *problems) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    struct footing *footing = calloc(1, sizeof(*footing));

    pthread_once(&index_once, make_index);
    if (ctx == NULL || footing == NULL || SSL_CTX_set_ex_data(ctx, footing_index, footing) != 1) {
        free(footing);
        SSL_CTX_free(ctx);
        tls_tell_no_memory(problems);
        return NULL;
    }
    if (fill_context(ctx, settings, footing, former, problems))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}
