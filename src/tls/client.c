#include "tls/client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/host_name.h"
#include "base/text.h"
#include "tls/alpn.h"
#include "tls/asked.h"
#include "tls/authorities.h"
#include "tls/certificates.h"
#include "tls/handshake.h"
#include "tls/refusal.h"
#include "tls/renewed.h"

struct tls_client {
    atomic_uint references;
    bool verify;
    char *name;                   /* "": the server's host */
    char *ca, *certificate, *key; /* paths; "": none */
    struct alpn alpn;
    struct renewed renewed;
};

static pthread_once_t index_made = PTHREAD_ONCE_INIT;
static int own_index;

static void free_own(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argl,
                     void *argp) {
    (void)parent, (void)all, (void)index, (void)argl, (void)argp;
    if (data != NULL)
        certificates_free(data);
    free(data);
}

static void make_indexes(void) {
    own_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_own);
    CHECK(own_index >= 0);
}

static int on_server_verified(int good, X509_STORE_CTX *store) {
    char *why = good == 0 ? malloc(TLS_WHY_MAX) : NULL;

    if (why != NULL)
        refusal_say(store, why, TLS_WHY_MAX);
    refusal_keep(store, why);
    return good;
}

bool tls_client_why(const SSL *ssl, char *buf, size_t size) {
    const char *why = refusal_kept(ssl);

    if (why != NULL) {
        snprintf(buf, size, "%s", why);
        text_trim(buf);
    }
    return why != NULL;
}

static const struct tls_certificates *get_own(const SSL_CTX *ctx) {
    return SSL_CTX_get_ex_data(ctx, own_index);
}

/* relayd's own, if there is one, for servers that ask. It is there as long as the SSL_CTX is. */
static bool use_own(SSL_CTX *ctx, const struct tls_client *client,
                    const struct tls_certificates *former, struct tls_problems *problems) {
    struct tls_certificates *own = calloc(1, sizeof(*own));

    problems->option = "certificate";
    if (own == NULL || SSL_CTX_set_ex_data(ctx, own_index, own) != 1) {
        free(own);
        tls_tell_no_memory(problems);
        return false;
    }
    if (client->certificate[0] == '\0')
        return true;
    if (!certificates_read_one(own, client->certificate, client->key, former,
                               SSL_CTX_get_cert_store(ctx), problems))
        return false;
    const struct tls_certificate *one = own->list[0];
    if (SSL_CTX_use_cert_and_key(ctx, one->leaf, one->key, one->chain, 1) == 1)
        return true;
    tls_tell(problems, TLS_WRONG, "%s: libssl does not take this certificate: %s", one->file,
             ERR_reason_error_string(ERR_peek_last_error()));
    return false;
}

/* Those of a former one stay, if they cannot be read now. */
static bool use_authorities(SSL_CTX *ctx, const struct tls_client *client, const SSL_CTX *former,
                            struct tls_problems *problems) {
    bool failed_before = problems->failed;

    problems->option = "ca";
    SSL_CTX_set_verify(ctx, client->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                       client->verify ? on_server_verified : NULL);
    if (!client->verify)
        return true;
    if (client->ca[0] == '\0' && SSL_CTX_set_default_verify_paths(ctx) == 1)
        return true;
    if (client->ca[0] == '\0')
        tls_tell(
            problems, TLS_WRONG,
            "this machine's authorities cannot be read; install ca-certificates, or name a file");
    else if (authorities_read(ctx, client->ca, false, NULL, problems))
        return true;
    if (former == NULL)
        return false;
    problems->failed = failed_before;
    SSL_CTX_set1_cert_store(ctx, SSL_CTX_get_cert_store(former));
    return true;
}

static SSL_CTX *make_for_servers(const void *owner, const SSL_CTX *former,
                                 struct tls_problems *problems) {
    const struct tls_client *client = owner;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL || (client->alpn.n > 0 &&
                        SSL_CTX_set_alpn_protos(ctx, client->alpn.bytes, client->alpn.n) != 0)) {
        SSL_CTX_free(ctx);
        tls_tell_no_memory(problems);
        return NULL;
    }
    tls_handshake_prepare(ctx);
    asked_watch(ctx);
    bool good = use_authorities(ctx, client, former, problems);
    good &= use_own(ctx, client, former != NULL ? get_own(former) : NULL, problems);
    ERR_clear_error();
    if (good)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

static bool is_own_current(const void *owner, const struct tls_certificates *certificates) {
    (void)owner;
    return certificates->n == 0 || tls_certificate_is_current(certificates->list[0]);
}

static const struct renewed_ways ways_to_servers = {make_for_servers, get_own, is_own_current};

static const char *get_place(const char *variable, const char *place) {
    const char *set = secure_getenv(variable);

    return set != NULL ? set : place;
}

/* What libssl reads for SSL_CTX_set_default_verify_paths(3): of the folder it keeps what it has
 * once found, so that an authority that is trusted no more would be. */
static void watch_authorities(struct tls_client *client) {
    if (!client->verify)
        return;
    if (client->ca[0] != '\0') {
        renewed_watch(&client->renewed, "ca", client->ca, 0);
        return;
    }
    renewed_watch(&client->renewed, "ca",
                  get_place(X509_get_default_cert_file_env(), X509_get_default_cert_file()), 0);
    renewed_watch(&client->renewed, "ca",
                  get_place(X509_get_default_cert_dir_env(), X509_get_default_cert_dir()), 0);
}

/* False: told. */
static bool begin_client(struct tls_client *client, const struct tls_client_settings *settings,
                         struct tls_problems *problems) {
    client->verify = settings->verify;
    client->name = strdup(settings->name);
    client->ca = strdup(settings->ca);
    client->certificate = strdup(settings->certificate);
    client->key = strdup(settings->key);
    if (client->name == NULL || client->ca == NULL || client->certificate == NULL ||
        client->key == NULL) {
        tls_tell_no_memory(problems);
        return false;
    }
    problems->option = "alpn";
    bool good = alpn_encode(settings->alpn, settings->n_alpn, &client->alpn, problems);
    watch_authorities(client);
    return renewed_make(&client->renewed, &ways_to_servers, client, problems) && good;
}

struct tls_client *tls_client_new(const struct tls_client_settings *settings,
                                  tls_problem_fn *on_problem, void *arg) {
    struct tls_problems problems = {.fn = on_problem, .arg = arg, .value = TLS_ONLY_VALUE};
    struct tls_client *client = calloc(1, sizeof(*client));

    pthread_once(&index_made, make_indexes);
    if (client == NULL) {
        tls_tell_no_memory(&problems);
        return NULL;
    }
    atomic_init(&client->references, 1);
    if (begin_client(client, settings, &problems))
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
    renewed_free(&client->renewed);
    free(client->alpn.bytes);
    free(client->name);
    free(client->ca);
    free(client->certificate);
    free(client->key);
    free(client);
}

void tls_client_visit(struct tls_client *client, tls_facts_fn *fn, void *arg) {
    renewed_visit(&client->renewed, fn, arg);
}

enum tls_look tls_client_look(struct tls_client *client, const struct tls_look_calls *calls) {
    return renewed_look(&client->renewed, calls);
}

static bool name_server(const struct tls_client *client, SSL *ssl, const char *host) {
    char name[256]; /* without a dot at its end; at most 253 bytes (RFC 1035, 2.3.4) */
    size_t n =
        (size_t)snprintf(name, sizeof(name), "%s", client->name[0] != '\0' ? client->name : host);

    if (n >= sizeof(name) || n == 0)
        return !client->verify;
    if (name[n - 1] == '.')
        name[n - 1] = '\0';
    if (host_name_is_ip(name))
        return !client->verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, name) == 1 &&
           (!client->verify || SSL_set1_host(ssl, name) == 1);
}

bool tls_client_offers(const struct tls_client *client) {
    return client->alpn.n > 0;
}

SSL *tls_client_open(struct tls_client *client, const char *host) {
    SSL_CTX *ctx = renewed_context(&client->renewed);
    SSL *ssl = SSL_new(ctx);

    SSL_CTX_free(ctx);
    if (ssl != NULL && name_server(client, ssl, host)) {
        SSL_set_connect_state(ssl);
        return ssl;
    }
    SSL_free(ssl);
    return NULL;
}
