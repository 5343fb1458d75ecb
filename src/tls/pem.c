#include "tls/pem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define PEM_MOST (4 << 20) /* bytes of a file: lists of revoked certificates are long */

void pem_free(struct pem *pem) {
    sk_X509_pop_free(pem->certificates, X509_free);
    sk_X509_CRL_pop_free(pem->crls, X509_CRL_free);
    EVP_PKEY_free(pem->key);
    *pem = (struct pem){0};
}

void pem_tell_unreadable(const char *path, int error, const char *kind,
                         struct tls_problems *problems) {
    if (error == EACCES)
        tls_tell(problems, TLS_WRONG,
                 "%s: permission denied: relayd runs as user %u and group %u, which may not read "
                 "it; let its group (chgrp, chmod g+r), setfacl or LoadCredential= allow it, and "
                 "the folders above it, too (relayd.conf(5), tls in a listener)",
                 path, (unsigned)geteuid(), (unsigned)getegid());
    else if (error == EBADF)
        tls_tell(problems, TLS_WRONG, "%s: %s; it must be a regular file", path, kind);
    else if (error == ENOENT)
        tls_tell(problems, TLS_WRONG, "%s: there is no such file", path);
    else
        tls_tell(problems, TLS_WRONG, "%s: cannot be read: %s", path, strerrordesc_np(error));
}

static bool is_certificate(const char *name) {
    return strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0;
}

static bool is_key(const char *name) {
    size_t n = strlen(name), key = strlen("PRIVATE KEY");

    return n >= key && strcmp(name + n - key, "PRIVATE KEY") == 0;
}

/* A block of a file. False: it cannot be read as what it says that it is. */
static bool take_block(struct pem *pem, const char *name, const char *header,
                       const unsigned char *data, long n) {
    if (is_certificate(name)) {
        X509 *certificate = d2i_X509(NULL, &data, n);

        if (certificate == NULL || sk_X509_push(pem->certificates, certificate) <= 0) {
            X509_free(certificate);
            return false;
        }
    } else if (strcmp(name, PEM_STRING_X509_CRL) == 0) {
        X509_CRL *crl = d2i_X509_CRL(NULL, &data, n);

        if (crl == NULL || sk_X509_CRL_push(pem->crls, crl) <= 0) {
            X509_CRL_free(crl);
            return false;
        }
    } else if (is_key(name) && pem->key == NULL) {
        if (strcmp(name, PEM_STRING_PKCS8) == 0 || strstr(header, "ENCRYPTED") != NULL)
            pem->encrypted = true;
        else
            pem->key = d2i_AutoPrivateKey(NULL, &data, n);
        return pem->encrypted || pem->key != NULL;
    }
    return true; /* EC PARAMETERS, DH PARAMETERS and the like are nothing to us */
}

/* Whether the error was the end of the file. */
static bool ended_in_order(void) {
    unsigned long error = ERR_peek_last_error();
    bool end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;

    ERR_clear_error();
    return end;
}

static bool read_blocks(const char *path, BIO *bio, struct pem *pem,
                        struct tls_problems *problems) {
    unsigned char *data;
    char *name, *header;
    size_t blocks = 0;
    long n;

    for (; PEM_read_bio(bio, &name, &header, &data, &n) == 1; blocks++) {
        bool good = take_block(pem, name, header, data, n);

        if (!good)
            tls_tell(problems, TLS_WRONG,
                     "%s: block %zu, %s, is damaged: copy the file anew from where it was made",
                     path, blocks + 1, name);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(data, (size_t)n);
        ERR_clear_error();
        if (!good)
            return false;
    }
    if (!ended_in_order())
        tls_tell(
            problems, TLS_WRONG,
            "%s: block %zu is damaged, or its end is missing: copy the file anew from where it "
            "was made",
            path, blocks + 1);
    else if (blocks == 0)
        tls_tell(
            problems, TLS_WRONG,
            "%s: no \"-----BEGIN\" stands in it, so it is not in PEM; openssl x509 -inform der "
            "and openssl pkcs12 -nodes make PEM of other formats",
            path);
    else
        return true;
    return false;
}

bool pem_read(const char *path, struct pem *ret, struct tls_problems *problems) {
    char *text = malloc(PEM_MOST + 1);
    const char *kind = NULL;
    size_t n = 0;
    int r = text == NULL ? -ENOMEM : file_read(path, text, PEM_MOST + 1, &n, &kind);
    struct pem pem = {.certificates = sk_X509_new_null(), .crls = sk_X509_CRL_new_null()};
    BIO *bio = r == 0 ? BIO_new_mem_buf(text, (int)n) : NULL;
    bool good = false;

    if (r < 0)
        pem_tell_unreadable(path, -r, kind, problems);
    else if (n > PEM_MOST)
        tls_tell(problems, TLS_WRONG, "%s: is larger than %d MiB", path, PEM_MOST >> 20);
    else if (bio == NULL || pem.certificates == NULL || pem.crls == NULL)
        tls_tell_no_memory(problems);
    else
        good = read_blocks(path, bio, &pem, problems);
    BIO_free(bio);
    if (text != NULL)
        explicit_bzero(text, r < 0 ? PEM_MOST : n);
    free(text);
    if (good)
        *ret = pem;
    else
        pem_free(&pem);
    return good;
}
