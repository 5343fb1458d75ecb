#include "tls/authorities.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "tls/certificate_facts.h"
#include "tls/pem.h"

static bool trust(SSL_CTX *ctx, X509 *authority, bool names_it, EVP_MD_CTX *digest) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int n;

    /* Its extensions are looked at once, and kept: now, not by the first handshakes, of which
     * several may come at once. What is wrong with them these find. */
    (void)X509_check_purpose(authority, -1, 0);
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), authority) == 1 &&
           (!names_it || SSL_CTX_add_client_CA(ctx, authority) == 1) &&
           X509_digest(authority, EVP_sha256(), bytes, &n) == 1 &&
           (digest == NULL || EVP_DigestUpdate(digest, bytes, n) == 1);
}

bool authorities_read(SSL_CTX *ctx, const char *file, bool names_them, EVP_MD_CTX *digest,
                      struct tls_problems *problems) {
    struct pem pem = {0};

    if (!pem_read(file, &pem, problems))
        return false;
    bool good = sk_X509_num(pem.certificates) > 0;
    if (!good)
        tls_tell(problems, TLS_WRONG,
                 "%s: there is no certificate in it; it must be those of the authorities to trust",
                 file);
    for (int i = 0; good && i < sk_X509_num(pem.certificates); i++) {
        good = trust(ctx, sk_X509_value(pem.certificates, i), names_them, digest);
        if (!good)
            tls_tell_no_memory(problems);
    }
    pem_free(&pem);
    ERR_clear_error();
    return good;
}

/* One that has expired revokes nothing for sure, so libssl refuses all whom it is about. */
static bool is_crl_fresh(const X509_CRL *crl, const char *file, struct tls_problems *problems) {
    const ASN1_TIME *end = X509_CRL_get0_nextUpdate(crl);
    int days = 0, seconds = 0;

    if (end == NULL || X509_cmp_current_time(end) > 0)
        return true;
    (void)ASN1_TIME_diff(&days, &seconds, end, NULL);
    tls_tell(
        problems, TLS_WRONG,
        "%s: the list of revoked certificates has expired %d day%s ago, so all clients would be "
        "refused; have its authority issue a new one",
        file, days, days == 1 ? "" : "s");
    return false;
}

static bool revoke(SSL_CTX *ctx, X509_CRL *crl, EVP_MD_CTX *digest) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int n;

    return X509_STORE_add_crl(SSL_CTX_get_cert_store(ctx), crl) == 1 &&
           X509_CRL_digest(crl, EVP_sha256(), bytes, &n) == 1 &&
           EVP_DigestUpdate(digest, bytes, n) == 1;
}

static void note_end(const X509_CRL *crl, int64_t *end) {
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    int64_t one = next != NULL ? certificate_seconds(next) : INT64_MAX;

    *end = one < *end ? one : *end;
}

/* Each certificate's issuer must have a list then (X509_VERIFY_PARAM_set_flags(3)). */
bool authorities_read_revoked(SSL_CTX *ctx, const char *file, EVP_MD_CTX *digest, int64_t *end,
                              struct tls_problems *problems) {
    struct pem pem = {0};

    if (!pem_read(file, &pem, problems))
        return false;
    bool good = sk_X509_CRL_num(pem.crls) > 0;
    if (!good)
        tls_tell(problems, TLS_WRONG,
                 "%s: there is no list of revoked certificates in it (X509 CRL)", file);
    for (int i = 0; good && i < sk_X509_CRL_num(pem.crls); i++) {
        X509_CRL *crl = sk_X509_CRL_value(pem.crls, i);

        good = is_crl_fresh(crl, file, problems);
        note_end(crl, end);
        if (good && !revoke(ctx, crl, digest)) {
            tls_tell_no_memory(problems);
            good = false;
        }
    }
    if (good)
        good = X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx), X509_V_FLAG_CRL_CHECK) == 1;
    pem_free(&pem);
    ERR_clear_error();
    return good;
}
