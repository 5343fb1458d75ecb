/* The handshake of TLS: libssl's part of a connection. */
#ifndef TLS_HANDSHAKE_H
#define TLS_HANDSHAKE_H

#include <openssl/types.h>

/* Sets what each SSL_CTX of relayd has: TLS 1.2 and 1.3, AEAD suites with ECDHE alone, no
 * renegotiation, no compression, no 0-RTT, no session cache. First thing after SSL_CTX_new. Any
 * thread. */
void tls_handshake_prepare(SSL_CTX *ctx);

#endif
