/* A TLS handshake on a blocking socket, by libssl, which is done with after it: what goes on is the
 * keys (session.h), which libssl tells through its key log. */
#ifndef TLS_HANDSHAKE_H
#define TLS_HANDSHAKE_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "tls/failure.h"
#include "tls/session.h"
#include "tls/wire.h"

/* What a handshake has agreed on. */
struct tls_agreed {
    uint16_t version; /* TLS_1_2 or TLS_1_3 */
    uint16_t suite;   /* tls_suite.h */
    bool resumed;
    char alpn[32]; /* "": none */
};

enum tls_handshake_outcome {
    TLS_DONE,
    TLS_FAILED,   /* *ret_why says of what; an alert was sent, if one is due */
    TLS_LEFT,     /* the peer closed or reset before it said why */
    TLS_TIMEOUT,  /* the deadline */
    TLS_STOPPED,  /* *stop */
    TLS_SHORTAGE, /* no memory */
};

/* For each SSL_CTX, before it gets a key: what the record layer can go on with (AEAD alone), and
 * the key log. No renegotiation, compression, early data or session cache. This process is not
 * dumpable from then on. */
void tls_handshake_prepare(SSL_CTX *ctx);

/* ssl: set to accept or to connect, otherwise new. The thread waits, up to the deadline. On
 * TLS_DONE *ret_session is the caller's. ret_why: a clause, for TLS_FAILED. */
enum tls_handshake_outcome tls_handshake(SSL *ssl, struct tls_wire *wire,
                                         struct tls_session **ret_session,
                                         struct tls_agreed *ret_agreed,
                                         char ret_why[TLS_REASON_MAX]) MUST_USE;

#endif
