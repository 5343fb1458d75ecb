#include "tls/client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/alpn.h"
#include "tls/authorities.h"
#include "tls/certificate.h"
#include "tls/handshake.h"
#include "tls/refusal.h"

struct tls_client {
    atomic_uint references;
    SSL_CTX *ctx;
    char *name; /* "": the server's host */
    bool verify;
};

static pthread_once_t refusal_once = PTHREAD_ONCE_INIT;
static int refusal_index;

static void free_refusal(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argl,
                         void *argp) {
    (void)parent, (void)all, (void)index, (void)argl, (void)argp;
    free(data);
}

static void make_refusal_index(void) {
    refusal_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_refusal);
    CHECK(refusal_index >= 0);
}

/* Keeps the reason: after the failure libssl has no certificate to ask any more. */
static int on_verified(int good, X509_STORE_CTX *store) {
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    char *why = good == 0 ? malloc(TLS_WHY_MAX) : NULL;

    if (why == NULL)
        return good;
    refusal_say(store, why, TLS_WHY_MAX);
    free(SSL_get_ex_data(ssl, refusal_index));
    if (SSL_set_ex_data(ssl, refusal_index, why) != 1)
        free(why);
    return 0;
}

bool tls_client_why(const SSL *ssl, char *buf, size_t size) {
    const char *why = SSL_get_ex_data(ssl, refusal_index);

    if (why != NULL)
        snprintf(buf, size, "%s", why);
    return why != NULL;
}

/* Its certificate, if servers ask for one. */
static void use_own(SSL_CTX *ctx, const struct tls_client_settings *settings,
                    struct tls_problems *problems) {
    if (settings->certificate[0] == '\0')
        return;
    problems->option = "certificate";
    struct tls_certificate *own = tls_certificate_read(
        settings->certificate, settings->key[0] != '\0' ? settings->key : NULL, problems);
    if (own != NULL && SSL_CTX_use_cert_and_key(ctx, own->leaf, own->key, own->chain, 1) != 1)
        tls_tell(problems, TLS_WRONG, "%s: libssl does not take this certificate: %s", own->file,
                 ERR_reason_error_string(ERR_peek_last_error()));
    tls_certificate_unref(own);
}

static void use_client_settings(SSL_CTX *ctx, const struct tls_client_settings *settings,
                                struct tls_problems *problems) {
    struct alpn alpn = {0};

    problems->option = "alpn";
    if (alpn_encode(settings->alpn, settings->n_alpn, &alpn, problems) && alpn.n > 0 &&
        SSL_CTX_set_alpn_protos(ctx, alpn.bytes, alpn.n) != 0)
        tls_tell_no_memory(problems);
    free(alpn.bytes);
    use_own(ctx, settings, problems);
    problems->option = "ca";
    bool own_ca = settings->ca[0] != '\0';
    if (!settings->verify)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    else if (own_ca && !authorities_read(ctx, settings->ca, false, NULL, problems))
        CHECK(problems->failed);
    else if (!own_ca && SSL_CTX_set_default_verify_paths(ctx) != 1)
        tls_tell(
            problems, TLS_WRONG,
            "this machine's authorities cannot be read; install ca-certificates, or name a file");
    ERR_clear_error();
}

struct tls_client *tls_client_new(const struct tls_client_settings *settings,
                                  tls_problem_fn *on_problem, void *arg) {
    struct tls_problems problems = {.fn = on_problem, .arg = arg, .value = TLS_ONLY_VALUE};
    struct tls_client *client = calloc(1, sizeof(*client));

    pthread_once(&refusal_once, make_refusal_index);
    if (client != NULL) {
        atomic_init(&client->references, 1);
        client->ctx = SSL_CTX_new(TLS_client_method());
        client->name = strdup(settings->name);
        client->verify = settings->verify;
    }
    if (client == NULL || client->ctx == NULL || client->name == NULL) {
        tls_tell_no_memory(&problems);
        tls_client_unref(client);
        return NULL;
    }
    tls_handshake_prepare(client->ctx);
    SSL_CTX_set_verify(client->ctx, SSL_VERIFY_PEER, on_verified);
    use_client_settings(client->ctx, settings, &problems);
    if (!problems.failed)
        return client;
    tls_client_unref(client);
    return NULL;
}

struct tls_client *tls_client_ref(struct tls_client *client) {
    if (client != NULL)
        atomic_fetch_add_explicit(&client->references, 1, memory_order_relaxed);
    return client;
}

void tls_client_unref(struct tls_client *client) {
    if (client == NULL ||
        atomic_fetch_sub_explicit(&client->references, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(client->ctx);
    free(client->name);
    free(client);
}

static bool is_ip(const char *name) {
    struct in6_addr address;

    return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
}

static bool name_server(const struct tls_client *client, SSL *ssl, const char *host) {
    char name[256]; /* without a dot at its end; at most 253 bytes (RFC 1035, 2.3.4) */
    size_t n =
        (size_t)snprintf(name, sizeof(name), "%s", client->name[0] != '\0' ? client->name : host);

    if (n >= sizeof(name) || n == 0)
        return !client->verify;
    if (name[n - 1] == '.')
        name[n - 1] = '\0';
    if (is_ip(name))
        return !client->verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, name) == 1 &&
           (!client->verify || SSL_set1_host(ssl, name) == 1);
}

SSL *tls_client_open(const struct tls_client *client, const char *host) {
    SSL *ssl = SSL_new(client->ctx);

    if (ssl != NULL && name_server(client, ssl, host)) {
        SSL_set_connect_state(ssl);
        return ssl;
    }
    SSL_free(ssl);
    return NULL;
}
