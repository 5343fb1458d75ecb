/* Why a handshake failed, in words. */
#ifndef TLS_FAILURE_H
#define TLS_FAILURE_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "tls/alert.h"

/* error: of ERR_peek_error(3). Whether it is a fatal alert that the peer has sent. */
bool tls_failure_is_alert(unsigned long error);

/* A clause, such as "the client offers no cipher that is allowed". */
void tls_failure_words(SSL *ssl, unsigned long error, char ret_why[TLS_REASON_MAX]);

#endif
