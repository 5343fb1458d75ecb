/* Why a certificate was refused, in words. Any thread. */
#ifndef TLS_REFUSAL_H
#define TLS_REFUSAL_H

#include <openssl/types.h>
#include <stddef.h>

/* Of a verification that has failed: a clause, with its remedy, in printable UTF-8.
 * Returns buf. */
const char *refusal_say(X509_STORE_CTX *store, char *buf, size_t size);

#endif
