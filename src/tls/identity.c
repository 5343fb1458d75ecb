#include "tls/identity.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 255 /* of one name, with its kind: a byte says how many */

/* Whole, or "". */
static void set_shown(char *buf, size_t size, const void *bytes, int n) {
    buf[0] = '\0';
    if (n <= 0 || (size_t)n >= size || memchr(bytes, '\0', (size_t)n) != NULL)
        return;
    memcpy(buf, bytes, (size_t)n);
    buf[n] = '\0';
}

/* The last one, which is the most specific. */
static void note_common(struct proxy_certificate *shown, const X509_NAME *subject) {
    int at = -1, next;
    unsigned char *text = NULL;

    while ((next = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0)
        at = next;
    if (at < 0)
        return;
    int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    set_shown(shown->common, sizeof(shown->common), text, n);
    OPENSSL_free(text);
}

static void note_subject(struct proxy_certificate *shown, const X509_NAME *subject) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    if (bio != NULL &&
        X509_NAME_print_ex(bio, subject, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
        int n = (int)BIO_get_mem_data(bio, &text);

        set_shown(shown->subject, sizeof(shown->subject), text, n);
    }
    BIO_free(bio);
}

/* "DNS:db.example"; false: no room. Of other bytes than letters, digits and signs no name is made,
 * nor of kinds that servers are not told of. */
static bool add_alt_name(struct proxy_certificate *shown, const char *kind, const char *name,
                         size_t n) {
    size_t all = strlen(kind) + n;
    uint8_t *at = shown->names + shown->n_names;

    for (size_t i = 0; i < n; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return true;
    if (n == 0)
        return true;
    if (all > NAME_MAX_BYTES || shown->n_names + 1 + all > sizeof(shown->names))
        return false;
    at[0] = (uint8_t)all;
    memcpy(at + 1, kind, strlen(kind));
    memcpy(at + 1 + strlen(kind), name, n);
    shown->n_names += 1 + all;
    return true;
}

static bool add_general_name(struct proxy_certificate *shown, const GENERAL_NAME *name) {
    char text[INET6_ADDRSTRLEN];
    const ASN1_STRING *value = name->d.ia5;

    if (name->type != GEN_DNS && name->type != GEN_URI && name->type != GEN_EMAIL &&
        name->type != GEN_IPADD)
        return true;
    const char *bytes = (const char *)ASN1_STRING_get0_data(value);
    size_t n = (size_t)ASN1_STRING_length(value);
    if (name->type != GEN_IPADD)
        return add_alt_name(shown,
                            name->type == GEN_DNS   ? "DNS:"
                            : name->type == GEN_URI ? "URI:"
                                                    : "email:",
                            bytes, n);
    if ((n != 4 && n != 16) ||
        inet_ntop(n == 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text)) == NULL)
        return true;
    return add_alt_name(shown, "IP:", text, strlen(text));
}

/* All of them, or none. */
static void note_names_shown(struct proxy_certificate *shown, const X509 *certificate) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool room = true;

    for (int i = 0; room && i < sk_GENERAL_NAME_num(names); i++)
        room = add_general_name(shown, sk_GENERAL_NAME_value(names, i));
    if (!room)
        shown->n_names = 0;
    GENERAL_NAMES_free(names);
}

/* As HAProxy has them in its headers. */
static void note_algorithms(struct proxy_certificate *shown, const X509 *certificate) {
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    const char *signature = OBJ_nid2sn(X509_get_signature_nid(certificate));
    int kind = key != NULL ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;

    snprintf(shown->signature, sizeof(shown->signature), "%s", signature != NULL ? signature : "");
    if (kind == EVP_PKEY_RSA || kind == EVP_PKEY_EC)
        snprintf(shown->key, sizeof(shown->key), "%s%d", kind == EVP_PKEY_RSA ? "RSA" : "EC",
                 EVP_PKEY_get_bits(key));
    else
        snprintf(shown->key, sizeof(shown->key), "%s",
                 key != NULL ? EVP_PKEY_get0_type_name(key) : "");
}

int tls_identity_new(const SSL *ssl, struct proxy_certificate **ret) {
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    struct proxy_certificate *shown;
    unsigned n = 0;

    *ret = NULL;
    if (certificate == NULL)
        return 0;
    shown = calloc(1, sizeof(*shown));
    if (shown == NULL || X509_digest(certificate, EVP_sha256(), shown->fingerprint, &n) != 1) {
        free(shown);
        return -ENOMEM;
    }
    shown->verified = SSL_get_verify_result(ssl) == X509_V_OK;
    shown->resumed = SSL_session_reused(ssl) == 1;
    note_common(shown, X509_get_subject_name(certificate));
    note_subject(shown, X509_get_subject_name(certificate));
    note_names_shown(shown, certificate);
    note_algorithms(shown, certificate);
    ERR_clear_error();
    *ret = shown;
    return 0;
}
