/* Who may have signed the other side's certificate, and what they have revoked. Any thread. */
#ifndef TLS_AUTHORITIES_H
#define TLS_AUTHORITIES_H

#include <openssl/types.h>

#include "base/check.h"
#include "tls/problems.h"

/* Lets ctx trust the certificates in this file, and adds them to the digest. names_them: clients
 * are sent their names (RFC 8446, 4.2.4). False: told. */
bool authorities_read(SSL_CTX *ctx, const char *file, bool names_them, EVP_MD_CTX *digest,
                      struct tls_problems *problems) MUST_USE;

/* Lets ctx refuse the certificates that the lists in this file revoke, and adds the lists to the
 * digest. *end becomes when the first of them expires (seconds since 1970), if that is sooner.
 * False: told. */
bool authorities_read_revoked(SSL_CTX *ctx, const char *file, EVP_MD_CTX *digest, int64_t *end,
                              struct tls_problems *problems) MUST_USE;

#endif
