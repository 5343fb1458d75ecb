/* Certificates with their keys, made as they are needed. */
#ifndef UNIT_TLS_PAIR_H
#define UNIT_TLS_PAIR_H

#include "unit.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

struct pair {
    X509 *certificate;
    EVP_PKEY *key;
};

static inline void set_name(X509_NAME *name, const char *common) {
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)common, -1, -1, 0),
                     1);
}

static inline void extend(X509 *certificate, int nid, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* names: as "DNS:a,DNS:b"; NULL: an authority. by NULL: signed by itself. days: of its life from
 * yesterday on. */
static inline struct pair make_pair(const char *common, const char *names, const struct pair *by,
                                    bool rsa, int days) {
    static long serial = 4096;
    struct pair pair = {X509_new(), rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256")};
    const struct pair *signer = by != NULL ? by : &pair;

    assert_non_null(pair.key);
    X509_set_version(pair.certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(pair.certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(pair.certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(pair.certificate), (days - 1) * 86400L);
    X509_set_pubkey(pair.certificate, pair.key);
    set_name(X509_get_subject_name(pair.certificate), common);
    X509_set_issuer_name(pair.certificate, X509_get_subject_name(signer->certificate));
    if (names == NULL)
        extend(pair.certificate, NID_basic_constraints, "critical,CA:TRUE");
    else if (names[0] != '\0')
        extend(pair.certificate, NID_subject_alt_name, names);
    assert_true(X509_sign(pair.certificate, signer->key, EVP_sha256()) > 0);
    return pair;
}

static inline void free_pair(struct pair *pair) {
    X509_free(pair->certificate);
    EVP_PKEY_free(pair->key);
}

#endif
