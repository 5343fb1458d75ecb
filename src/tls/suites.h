/* Cipher suites and groups as an operator names them. Any thread. */
#ifndef TLS_SUITES_H
#define TLS_SUITES_H

#include <openssl/types.h>

#include "base/check.h"
#include "tls/problems.h"

/* Sets all that relayd has. */
void suites_use_all(SSL_CTX *ctx);

/* Sets those of a list with ":" between them, of TLS 1.2 and 1.3; a version of which the list has
 * none keeps its own. Tells of what is unknown, or no AEAD with ECDHE. */
void suites_use(SSL_CTX *ctx, const char *list, struct tls_problems *problems);

/* Sets the groups of a list. What this libssl does not know is left out and noted. */
void groups_use(SSL_CTX *ctx, const char *list, struct tls_problems *problems);

#endif
