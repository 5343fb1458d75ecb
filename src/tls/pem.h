/* Files in PEM: certificates, keys, lists of revoked certificates. */
#ifndef TLS_PEM_H
#define TLS_PEM_H

#include <openssl/types.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "tls/problems.h"

/* What a file holds, each in its order. */
struct pem {
    STACK_OF(X509) * certificates;
    STACK_OF(X509_CRL) * crls;
    EVP_PKEY *key;  /* the first; NULL: none */
    bool encrypted; /* there is a key, which needs a password */
};

/* Reads a file and tells of what is wrong with it. False: told; else pem_free it. Keys are erased
 * from memory once they were read. Waits for the medium alone. */
bool pem_read(const char *path, struct pem *ret, struct tls_problems *problems) MUST_USE;

/* Says why a file could not be read: errno's number, and what kind of file it is (base/file.h). */
void pem_tell_unreadable(const char *path, int error, const char *kind,
                         struct tls_problems *problems);

/* A zeroed one is fine. */
void pem_free(struct pem *pem);

#endif
