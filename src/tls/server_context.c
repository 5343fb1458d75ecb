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
#include "tls/denial.h"
#include "tls/handshake.h"
#include "tls/refusal.h"
#include "tls/suites.h"
#include "tls/ticket_callback.h"
#include "tls/ticket_file.h"

#define NAME_MOST 253 /* RFC 1035, 2.3.4 */

/* What the callbacks of an SSL_CTX stand on. */
struct footing {
    struct tls_certificates certificates;
    struct alpn alpn;
    struct ticket_keys tickets;             /* of a file */
    int64_t lists_end;                      /* ended_certificate */
    uint8_t verifies[TLS_FINGERPRINT_SIZE]; /* a digest of the authorities and lists */
    char *ca, *crl;                         /* paths, for on_client_verified */
};

static pthread_once_t index_once = PTHREAD_ONCE_INIT;
static int footing_index, lack_index;

static void free_footing(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argl,
                         void *argp) {
    struct footing *footing = data;

    (void)parent, (void)all, (void)index, (void)argl, (void)argp;
    if (footing == NULL)
        return;
    certificates_free(&footing->certificates);
    free(footing->alpn.bytes);
    free(footing->ca);
    free(footing->crl);
    explicit_bzero(&footing->tickets, sizeof(footing->tickets));
    free(footing);
}

static void make_index(void) {
    footing_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_footing);
    lack_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    CHECK(footing_index >= 0 && lack_index >= 0);
}

const struct tls_certificates *server_context_certificates(const SSL_CTX *ctx) {
    const struct footing *footing = SSL_CTX_get_ex_data(ctx, footing_index);

    return &footing->certificates;
}

bool server_context_lacks_name(const SSL *ssl) {
    return SSL_get_ex_data(ssl, lack_index) != NULL;
}

/* The one host name of the extension (RFC 6066, 3), as routes have it (host_name_read): in small
 * letters, without a dot at its end; false: there is none. */
static bool read_name(SSL *ssl, char name[NAME_MOST + 1]) {
    const unsigned char *bytes;
    size_t n, length;

    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &n) != 1 || n < 5 ||
        bytes[2] != TLSEXT_NAMETYPE_host_name)
        return false;
    length = (size_t)bytes[3] << 8 | bytes[4];
    if (length + 5 > n)
        return false;
    if (length > 0 && bytes[5 + length - 1] == '.')
        length--;
    if (length > NAME_MOST || memchr(bytes + 5, '\0', length) != NULL)
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

    if (named && choice == &certificates->fallback) {
        stats_add(STAT_unknown_names, 1);
        (void)SSL_set_ex_data(ssl, lack_index, &lack_index); /* any pointer says so */
    }
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

static int on_client_verified(int good, X509_STORE_CTX *store) {
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct footing *footing = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), footing_index);
    char *why = good == 0 ? malloc(TLS_REASON_MAX) : NULL;

    if (why != NULL)
        denial_say(store, footing->ca, footing->crl, why, TLS_REASON_MAX);
    refusal_keep(store, why);
    return good;
}

static const struct footing *get_footing(const SSL_CTX *ctx) {
    return ctx != NULL ? SSL_CTX_get_ex_data(ctx, footing_index) : NULL;
}

/* Those who may have signed certificates of clients, and what they have revoked. False: told. */
static bool read_verification(SSL_CTX *ctx, const struct tls_server_settings *settings,
                              struct footing *footing, struct tls_problems *problems) {
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool good = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;

    if (!good)
        tls_tell_no_memory(problems);
    footing->lists_end = INT64_MAX;
    problems->option = "ca";
    good = good && authorities_read(ctx, settings->ca, true, digest, problems);
    problems->option = "crl";
    if (settings->crl[0] != '\0' && digest != NULL)
        good &= authorities_read_revoked(ctx, settings->crl, digest, &footing->lists_end, problems);
    if (good && EVP_DigestFinal_ex(digest, footing->verifies, NULL) != 1) {
        tls_tell_no_memory(problems);
        good = false;
    }
    EVP_MD_CTX_free(digest);
    return good;
}

/* As it is in the former one. */
static void keep_verification(SSL_CTX *ctx, struct footing *footing, const SSL_CTX *former) {
    const struct footing *before = get_footing(former);

    SSL_CTX_set1_cert_store(ctx, SSL_CTX_get_cert_store(former));
    SSL_CTX_set_client_CA_list(ctx, SSL_dup_CA_list(SSL_CTX_get_client_CA_list(former)));
    footing->lists_end = before->lists_end;
    memcpy(footing->verifies, before->verifies, sizeof(footing->verifies));
}

/* Who verifies clients, and how. */
static bool use_verification(SSL_CTX *ctx, const struct tls_server_settings *settings,
                             struct footing *footing, const SSL_CTX *former,
                             struct tls_problems *problems) {
    bool off = settings->verify_client == TLS_VERIFY_OFF, failed_before = problems->failed;

    if (off)
        return true;
    SSL_CTX_set_verify(
        ctx,
        SSL_VERIFY_PEER |
            (settings->verify_client == TLS_VERIFY_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        on_client_verified);
    footing->ca = strdup(settings->ca);
    footing->crl = strdup(settings->crl);
    if (footing->ca == NULL || footing->crl == NULL) {
        tls_tell_no_memory(problems);
        return false;
    }
    ticket_ends_use(ctx, &footing->lists_end);
    if (read_verification(ctx, settings, footing, problems))
        return true;
    if (former == NULL)
        return false;
    problems->failed = failed_before;
    keep_verification(ctx, footing, former);
    return true;
}

/* Keys in a file, or those of the former one, if it cannot be read now. */
static void use_ticket_file(SSL_CTX *ctx, const char *path, struct footing *footing,
                            const SSL_CTX *former, struct tls_problems *problems) {
    bool failed_before = problems->failed;

    if (!ticket_file_read(path, &footing->tickets, problems)) {
        if (former == NULL)
            return;
        problems->failed = failed_before;
        footing->tickets = get_footing(former)->tickets;
    }
    ticket_keys_use(ctx, &footing->tickets);
}

static void use_settings(SSL_CTX *ctx, const struct tls_server_settings *settings,
                         struct footing *footing, const SSL_CTX *former,
                         struct tls_problems *problems) {
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
    } else {
        use_ticket_file(ctx, settings->ticket_keys, footing, former, problems);
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
                         struct footing *footing, const SSL_CTX *former,
                         struct tls_problems *problems) {
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    const struct tls_certificates *certificates =
        former != NULL ? server_context_certificates(former) : NULL;

    tls_handshake_prepare(ctx);
    SSL_CTX_set_client_hello_cb(ctx, on_client_hello, footing);
    if (digest == NULL || !begin_digest(digest, settings)) {
        EVP_MD_CTX_free(digest);
        tls_tell_no_memory(problems);
        return false;
    }
    use_settings(ctx, settings, footing, former, problems);
    bool good = use_verification(ctx, settings, footing, former, problems);
    good &= EVP_DigestUpdate(digest, footing->verifies, sizeof(footing->verifies)) == 1;
    problems->option = "certificate";
    good &=
        certificates_read(&footing->certificates, settings->certificates, settings->n_certificates,
                          settings->key, certificates, SSL_CTX_get_cert_store(ctx), problems);
    if (good)
        good = use_fallback(ctx, &footing->certificates, problems);
    if (good && !certificates_bind(&footing->certificates, digest)) {
        tls_tell_no_memory(problems);
        good = false;
    }
    EVP_MD_CTX_free(digest);
    return good && !problems->failed;
}

SSL_CTX *server_context_new(const struct tls_server_settings *settings, const SSL_CTX *former,
                            struct tls_problems *problems) {
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
