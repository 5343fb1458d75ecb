/* A certificate made on the spot, and contexts of libssl for both ends. */
#ifndef TLS_PEERS_H
#define TLS_PEERS_H

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tls/handshake.h"
#include "unit.h"

static inline X509 *tls_make_certificate(EVP_PKEY *key) {
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);

    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

/* With a fresh certificate. ours: as relayd makes its contexts, with the key log. */
static inline SSL_CTX *tls_make_server(bool ours) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = tls_make_certificate(key);

    if (ours)
        tls_handshake_prepare(ctx);
    assert_int_equal(SSL_CTX_use_certificate(ctx, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return ctx;
}

static inline SSL_CTX *tls_make_client(bool ours) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ours)
        tls_handshake_prepare(ctx);
    return ctx;
}

#endif
