/* Who a client is, by its certificate: what servers are told of it. */
#ifndef TLS_IDENTITY_H
#define TLS_IDENTITY_H

#include <openssl/ssl.h>

#include "base/check.h"
#include "wire/proxy_tls.h"

/* After a handshake. *ret: the caller frees it; NULL: the client showed no certificate. 0 or
 * -ENOMEM. The thread that has ssl. */
int tls_identity_new(const SSL *ssl, struct proxy_certificate **ret) MUST_USE;

#endif
