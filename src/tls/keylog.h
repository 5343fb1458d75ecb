/* The secrets of a handshake, as libssl's key log tells them (SSL_CTX_set_keylog_callback(3); the
 * labels are those of NSS' key log format). */
#ifndef TLS_KEYLOG_H
#define TLS_KEYLOG_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "wire/tls_keys.h"

struct tls_secrets {
    uint8_t client[TLS_SECRET_MAX]; /* TLS 1.3: application traffic secrets */
    uint8_t server[TLS_SECRET_MAX];
    size_t n_client, n_server; /* bytes; 0: not told */
    uint8_t master[TLS_SECRET_MAX];
    size_t n_master; /* TLS 1.2 */
};

void tls_keylog_prepare(SSL_CTX *ctx);

/* ssl's secrets are written there, until tls_keylog_leave. 0 or -ENOMEM. The caller erases them. */
int tls_keylog_watch(SSL *ssl, struct tls_secrets *secrets) MUST_USE;
void tls_keylog_leave(SSL *ssl);

#endif
