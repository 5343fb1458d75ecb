/* For the tests of TLS: files with certificates, and handshakes in memory. */
#ifndef UNIT_TLS_FIXTURE_H
#define UNIT_TLS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "tls/problems.h"
#include "tls/server.h"
#include "tls_pair.h"

static char folder[64];

/* Others may read nothing in it. */
static inline void make_folder(void) {
    umask(077);
    snprintf(folder, sizeof(folder), "/tmp/relayd-tls-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static inline void remove_folder(void) {
    char command[128];

    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* In the folder. Of the calls of one statement, at most 8 answers last. */
static inline const char *in_folder(const char *name) {
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

/* Into the folder: a certificate, its issuer's (NULL: none), the key if so wished. */
static inline void write_pair(const char *name, const struct pair *pair, const struct pair *issuer,
                              bool with_key) {
    FILE *out = fopen(in_folder(name), "w");

    assert_non_null(out);
    assert_int_equal(PEM_write_X509(out, pair->certificate), 1);
    if (issuer != NULL)
        assert_int_equal(PEM_write_X509(out, issuer->certificate), 1);
    if (with_key)
        assert_int_equal(PEM_write_PrivateKey(out, pair->key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(out), 0);
}

/* Fails the test, or, with arg, adds lines there. */
static inline void on_problem(void *arg, enum tls_weight weight, const char *option, size_t value,
                              const char *what) {
    char **all = arg, *more;

    (void)value;
    if (arg == NULL && weight == TLS_WRONG)
        fail_msg("%s: %s", option, what);
    if (arg == NULL)
        return;
    assert_true(asprintf(&more, "%s%s: %s\n", *all != NULL ? *all : "", option, what) > 0);
    free(*all);
    *all = more;
}

/* Of a listener with these certificates' files, and all else as it is by default. */
static inline struct tls_server_settings settings_for(const char *const *paths, size_t n) {
    return (struct tls_server_settings){.listener = "web",
                                        .certificates = paths,
                                        .n_certificates = n,
                                        .key = "",
                                        .ciphers = "",
                                        .groups = "",
                                        .ca = "",
                                        .crl = "",
                                        .tickets = true,
                                        .ticket_keys = ""};
}

/* The SSL_CTX stands alone. */
static inline SSL_CTX *context_of(const struct tls_server_settings *settings) {
    struct tls_server *server = tls_server_new(settings, on_problem, NULL);
    SSL_CTX *ctx = tls_server_context(server);

    tls_server_unref(server);
    return ctx;
}

/* What a client asks for, and what comes of it. */
struct visit {
    const char *name;             /* SNI; NULL: none */
    const unsigned char *alpn;    /* with lengths; NULL: none */
    int version;                  /* 0: any */
    const char *groups, *ciphers; /* NULL: any */
    const struct pair *own;       /* its certificate; NULL: none */
    SSL_SESSION *session;         /* to be resumed; freed */
    bool good, resumed;
    char common[64]; /* of the certificate it got */
    char protocol[16];
    int alert; /* that the client got; 0: none */
    SSL_SESSION *ticket;
    X509 *peer; /* as the server has it */
};

static inline int take_ticket(SSL *ssl, SSL_SESSION *session) {
    struct visit *visit = SSL_get_app_data(ssl);

    SSL_SESSION_free(visit->ticket);
    visit->ticket = session;
    return 1;
}

static inline void note_alert(const SSL *ssl, int where, int code) {
    struct visit *visit = SSL_get_app_data(ssl);

    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
        visit->alert = code & 0xff;
}

static inline void connect_memory(SSL *a, SSL *b) {
    BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());

    BIO_up_ref(up);
    BIO_up_ref(down);
    SSL_set_bio(a, down, up);
    SSL_set_bio(b, up, down);
}

static inline void ask_for(SSL *client, struct visit *visit) {
    char text[128]; /* libssl's macros take no const */

    SSL_set_app_data(client, visit);
    SSL_set_info_callback(client, note_alert);
    snprintf(text, sizeof(text), "%s", visit->name != NULL ? visit->name : "");
    if (visit->name != NULL)
        assert_int_equal(SSL_set_tlsext_host_name(client, text), 1);
    if (visit->alpn != NULL)
        assert_int_equal(SSL_set_alpn_protos(client, visit->alpn, (unsigned)visit->alpn[0] + 1), 0);
    if (visit->version != 0)
        assert_true(SSL_set_min_proto_version(client, visit->version) &&
                    SSL_set_max_proto_version(client, visit->version));
    snprintf(text, sizeof(text), "%s", visit->groups != NULL ? visit->groups : "");
    if (visit->groups != NULL)
        assert_int_equal(SSL_set1_groups_list(client, text), 1);
    if (visit->ciphers != NULL)
        assert_int_equal(SSL_set_cipher_list(client, visit->ciphers), 1);
    if (visit->own != NULL)
        assert_true(SSL_use_certificate(client, visit->own->certificate) &&
                    SSL_use_PrivateKey(client, visit->own->key));
    if (visit->session != NULL)
        assert_int_equal(SSL_set_session(client, visit->session), 1);
}

static inline void note_visit(SSL *client, SSL *server, struct visit *visit) {
    const unsigned char *protocol;
    unsigned n;
    X509 *got = SSL_get1_peer_certificate(client);

    visit->resumed = SSL_session_reused(client) == 1;
    if (visit->ticket == NULL) /* libssl tells of no new ticket in a session of 1.2 that goes on */
        visit->ticket = SSL_get1_session(client);
    if (got != NULL)
        X509_NAME_get_text_by_NID(X509_get_subject_name(got), NID_commonName, visit->common,
                                  sizeof(visit->common));
    X509_free(got);
    SSL_get0_alpn_selected(client, &protocol, &n);
    snprintf(visit->protocol, sizeof(visit->protocol), "%.*s", (int)n, (const char *)protocol);
    visit->peer = SSL_get1_peer_certificate(server);
}

/* A handshake, then one byte each way, with which tickets come. */
static inline void meet(SSL_CTX *from, SSL_CTX *to, struct visit *visit) {
    SSL *client = SSL_new(from), *server = SSL_new(to);
    char byte = 'x';
    int here = 0, there = 0;

    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    connect_memory(client, server);
    ask_for(client, visit);
    for (int i = 0; i < 10 && (here != 1 || there != 1); i++) {
        here = SSL_do_handshake(client);
        there = SSL_do_handshake(server);
    }
    visit->good = here == 1 && there == 1 && SSL_write(server, &byte, 1) == 1 &&
                  SSL_read(client, &byte, 1) == 1;
    if (visit->good)
        note_visit(client, server, visit);
    if (visit->good)
        (void)SSL_shutdown(client);
    SSL_free(client);
    SSL_free(server);
    SSL_SESSION_free(visit->session);
    visit->session = NULL;
    ERR_clear_error();
}

/* A client that verifies nobody. */
static inline SSL_CTX *new_visitor(void) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    assert_non_null(ctx);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, take_ticket);
    return ctx;
}

static inline void end_visit(struct visit *visit) {
    SSL_SESSION_free(visit->ticket);
    X509_free(visit->peer);
}

#endif
