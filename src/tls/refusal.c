#include "tls/refusal.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/escape.h"
#include "base/text.h"
#include "tls/certificate_facts.h"

#define NAMES_TOLD 4
#define SAID_MAX   512 /* bytes */

static void say_names_of(X509 *certificate, char *buf, size_t size) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int n = sk_GENERAL_NAME_num(names), told = 0;

    buf[0] = '\0';
    for (int i = 0; i < n; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char ip[INET6_ADDRSTRLEN];

        if (told == NAMES_TOLD) {
            text_append(buf, size, " and %d more", n - i);
            break;
        }
        if (name->type == GEN_DNS)
            text_append(buf, size, "%s%.*s", told++ > 0 ? ", " : "",
                        ASN1_STRING_length(name->d.dNSName),
                        (const char *)ASN1_STRING_get0_data(name->d.dNSName));
        else if (name->type == GEN_IPADD &&
                 inet_ntop(ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6,
                           ASN1_STRING_get0_data(name->d.iPAddress), ip, sizeof(ip)) != NULL)
            text_append(buf, size, "%s%s", told++ > 0 ? ", " : "", ip);
    }
    if (told == 0)
        text_append(buf, size, "no name");
    GENERAL_NAMES_free(names);
}

static const char *asked_name(X509_STORE_CTX *store, char **ret_ip) {
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
    const char *host = X509_VERIFY_PARAM_get0_host(param, 0);

    *ret_ip = host == NULL ? X509_VERIFY_PARAM_get1_ip_asc(param) : NULL;
    return host != NULL ? host : *ret_ip != NULL ? *ret_ip : "?";
}

static void say_wrong_name(X509_STORE_CTX *store, X509 *certificate, char *buf, size_t size) {
    char names[200], *ip;
    const char *asked = asked_name(store, &ip);

    say_names_of(certificate, names, sizeof(names));
    text_append(
        buf, size,
        "its certificate is for %s, not for %s; if that is the server that is meant, write its "
        "name as name = in the upstream's tls section",
        names, asked);
    OPENSSL_free(ip);
}

static void say_unknown(X509 *certificate, bool itself, char *buf, size_t size) {
    char *signer = certificate_say_name(itself ? X509_get_subject_name(certificate)
                                               : X509_get_issuer_name(certificate));

    text_append(buf, size,
                "the authority \"%s\" is not trusted; name its certificate as ca "
                "= in the upstream's tls section%s",
                signer != NULL ? signer : "?",
                itself ? "" : ", or have the server send its whole chain");
    free(signer);
}

/* Names in it are as the server wrote them. */
static void say_refusal(X509_STORE_CTX *store, char *buf, size_t size) {
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    int error = X509_STORE_CTX_get_error(store);
    int64_t moment;
    char date[16];

    buf[0] = '\0';
    if (certificate == NULL) {
        text_append(buf, size, "%s", X509_verify_cert_error_string(error));
        return;
    }
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        moment = certificate_seconds(X509_get0_notAfter(certificate));
        text_append(buf, size, "its certificate has expired on %s; renew it at the server",
                    text_format_day(moment, date, sizeof(date)));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        moment = certificate_seconds(X509_get0_notBefore(certificate));
        text_append(buf, size, "its certificate is valid from %s on; are both clocks right?",
                    text_format_day(moment, date, sizeof(date)));
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        say_wrong_name(store, certificate, buf, size);
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        text_append(
            buf, size,
            "its certificate is signed by itself, and nobody vouches for it; name it as ca = "
            "in the upstream's tls section");
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        say_unknown(certificate, true, buf, size);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        say_unknown(certificate, false, buf, size);
        break;
    default:
        text_append(buf, size, "its certificate was refused: %s",
                    X509_verify_cert_error_string(error));
    }
}

const char *refusal_say(X509_STORE_CTX *store, char *buf, size_t size) {
    char said[SAID_MAX];

    say_refusal(store, said, sizeof(said));
    return escape_text(said, strlen(said), ESCAPE_UNPRINTABLE, buf, size);
}

static pthread_once_t refusal_once = PTHREAD_ONCE_INIT;
static int refusal_index;

static void free_refusal(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argl,
                         void *argp) {
    (void)parent, (void)all, (void)index, (void)argl, (void)argp;
    free(data);
}

static void make_refusal_index(void) {
    refusal_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_refusal);
    CHECK(refusal_index >= 0);
}

void refusal_keep(X509_STORE_CTX *store, char *why) {
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());

    pthread_once(&refusal_once, make_refusal_index);
    if (why == NULL)
        return;
    free(SSL_get_ex_data(ssl, refusal_index));
    if (SSL_set_ex_data(ssl, refusal_index, why) != 1)
        free(why);
}

const char *refusal_kept(const SSL *ssl) {
    pthread_once(&refusal_once, make_refusal_index);
    return SSL_get_ex_data(ssl, refusal_index);
}
