/* Why a server's certificate was refused, in words; and where such a reason is kept until the
 * handshake is over: then libssl has no certificate to ask any more. Any thread. */
#ifndef TLS_REFUSAL_H
#define TLS_REFUSAL_H

#include <openssl/types.h>
#include <stddef.h>

/* Of a verification that has failed: a clause, with its remedy, in printable UTF-8.
 * Returns buf. */
const char *refusal_say(X509_STORE_CTX *store, char *buf, size_t size);

/* Of the SSL that verifies. why: from malloc(3), given away; NULL is fine. */
void refusal_keep(X509_STORE_CTX *store, char *why);

/* NULL: none was kept. It is there as long as ssl is. */
const char *refusal_kept(const SSL *ssl);

#endif
