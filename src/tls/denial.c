#include "tls/denial.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/escape.h"
#include "base/text.h"
#include "tls/certificate_facts.h"

#define WHOSE_MAX  64 /* bytes of a name: two of them leave room for the rest */
#define REASON_MAX 160
#define PATH_LEAST 16 /* bytes of it that are told, whatever else there is */

static const struct denial {
    int error;
    bool by_crl;
    const char *words;
} denials[] = {
    {X509_V_ERR_CERT_REVOKED, true, "is revoked"},
    {X509_V_ERR_UNABLE_TO_GET_CRL, true, "has an issuer of whom there is no list"},
    {X509_V_ERR_CRL_HAS_EXPIRED, true, "cannot be looked up: its issuer's list has expired"},
    {X509_V_ERR_CRL_NOT_YET_VALID, true, "cannot be looked up: its issuer's list is not yet valid"},
    {X509_V_ERR_CRL_SIGNATURE_FAILURE, true, "cannot be looked up: another key signed the list"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, false, "leads to no authority that is trusted"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, false, "leads to no authority that is trusted"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, false, "leads to no authority that is trusted"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, false, "leads to no authority that is trusted"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, false, "is signed by itself, and is not trusted"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, false, "is not signed by the authority of that name"},
    {X509_V_ERR_INVALID_PURPOSE, false, "is not for clients (extendedKeyUsage)"},
};

static const struct denial *find_denial(int error) {
    for (size_t i = 0; i < ARRAY_LEN(denials); i++)
        if (denials[i].error == error)
            return &denials[i];
    return NULL;
}

/* Of one without a common name or organisation. */
static void say_first_name(X509 *certificate, char buf[WHOSE_MAX]) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; buf[0] == '\0' && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS || name->type == GEN_URI || name->type == GEN_EMAIL)
            escape_text((const char *)ASN1_STRING_get0_data(name->d.ia5),
                        (size_t)ASN1_STRING_length(name->d.ia5), ESCAPE_UNPRINTABLE, buf,
                        WHOSE_MAX);
    }
    GENERAL_NAMES_free(names);
}

static void say_whose(X509 *certificate, char buf[WHOSE_MAX]) {
    char *name = certificate_say_name(X509_get_subject_name(certificate));

    buf[0] = '\0';
    text_append(buf, WHOSE_MAX, "%s", name != NULL ? name : "");
    free(name);
    if (buf[0] == '\0')
        say_first_name(certificate, buf);
    if (buf[0] == '\0')
        text_append(buf, WHOSE_MAX, "nobody by name");
}

static void say_issuer(X509 *certificate, char buf[WHOSE_MAX]) {
    char *name = certificate_say_name(X509_get_issuer_name(certificate));

    buf[0] = '\0';
    text_append(buf, WHOSE_MAX, "%s", name != NULL ? name : "");
    free(name);
}

static void say_reason(int error, X509 *certificate, char buf[REASON_MAX]) {
    const struct denial *denial = find_denial(error);
    char date[16];

    buf[0] = '\0';
    if (error == X509_V_ERR_CERT_HAS_EXPIRED)
        text_append(buf, REASON_MAX, "has expired on %s",
                    text_format_day(certificate_seconds(X509_get0_notAfter(certificate)), date,
                                    sizeof(date)));
    else if (error == X509_V_ERR_CERT_NOT_YET_VALID)
        text_append(buf, REASON_MAX, "is valid from %s on",
                    text_format_day(certificate_seconds(X509_get0_notBefore(certificate)), date,
                                    sizeof(date)));
    else
        text_append(buf, REASON_MAX, "%s%s", denial != NULL ? "" : "is refused: ",
                    denial != NULL ? denial->words : X509_verify_cert_error_string(error));
}

/* " (ca PATH)"; of a long one the end, which says more. */
static void append_file(char *buf, size_t size, const char *option, const char *path) {
    size_t around = strlen(buf) + strlen(option) + strlen(" ( )") + 1, n = strlen(path),
           room = size > around + PATH_LEAST ? size - around : PATH_LEAST;

    if (n > room)
        text_append(buf, size, " (%s ...%s)", option, path + n - (room - strlen("...")));
    else
        text_append(buf, size, " (%s %s)", option, path);
}

const char *denial_say(X509_STORE_CTX *store, const char *ca, const char *crl, char *buf,
                       size_t size) {
    X509 *certificate = X509_STORE_CTX_get_current_cert(store),
         *leaf = X509_STORE_CTX_get0_cert(store);
    int error = X509_STORE_CTX_get_error(store);
    const struct denial *denial = find_denial(error);
    bool by_crl = denial != NULL && denial->by_crl && crl[0] != '\0';
    char whose[WHOSE_MAX], issuer[WHOSE_MAX], reason[REASON_MAX];

    buf[0] = '\0';
    say_whose(leaf, whose);
    say_issuer(leaf, issuer);
    text_append(buf, size, "the certificate of \"%s\", issued by \"%s\", ", whose, issuer);
    if (certificate != NULL && certificate != leaf) {
        say_whose(certificate, whose);
        text_append(buf, size, "is refused: that of \"%s\" ", whose);
    }
    say_reason(error, certificate != NULL ? certificate : leaf, reason);
    text_append(buf, size, "%s", reason);
    append_file(buf, size, by_crl ? "crl" : "ca", by_crl ? crl : ca);
    return buf;
}
