/* Contexts of libssl for both ends. */
#ifndef TLS_PEERS_H
#define TLS_PEERS_H

#include <openssl/ssl.h>

#include "tls/handshake.h"
#include "tls_pair.h"

/* With a fresh certificate. ours: as relayd makes its contexts, with the key log. */
static inline SSL_CTX *tls_make_server(bool ours) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    struct pair pair = make_pair("test", "", NULL, false, 2);

    if (ours)
        tls_handshake_prepare(ctx);
    assert_int_equal(SSL_CTX_use_certificate(ctx, pair.certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, pair.key), 1);
    free_pair(&pair);
    return ctx;
}

static inline SSL_CTX *tls_make_client(bool ours) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ours)
        tls_handshake_prepare(ctx);
    return ctx;
}

#endif
