/* Why a client's certificate was refused, in words. Any thread. */
#ifndef TLS_DENIAL_H
#define TLS_DENIAL_H

#include <openssl/types.h>
#include <stddef.h>

/* Of a verification that has failed: a clause with whose certificate it is and by which file it was
 * refused, names in printable UTF-8. ca, crl: paths, crl "" for none. Returns buf. */
const char *denial_say(X509_STORE_CTX *store, const char *ca, const char *crl, char *buf,
                       size_t size);

#endif
