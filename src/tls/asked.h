/* Whether a server asks for a certificate of ours in its handshake. Any thread. */
#ifndef TLS_ASKED_H
#define TLS_ASKED_H

#include <openssl/types.h>

#include "tls/alert.h"

/* Once for each SSL_CTX for servers. */
void asked_watch(SSL_CTX *ctx);

/* So far. Of one for clients, TLS_NOT_ASKED. */
enum tls_asked asked_get(const SSL *ssl);

#endif
