#include "tls/certificate_facts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/escape.h"

#define RSA_LEAST   2048 /* bits: CA/Browser Forum, Baseline Requirements, 6.1.5 */
#define ECDSA_LEAST 224  /* the same strength: NIST SP 800-57 part 1, table 2 */
#define PEOPLE_MAX  256  /* of a name of an issuer */

static bool add_name(struct tls_certificate *certificate, const char *name, size_t n) {
    char **bigger = reallocarray(certificate->names, certificate->n_names + 1, sizeof(*bigger));
    char *copy = strndup(name, n);

    if (bigger != NULL)
        certificate->names = bigger;
    if (bigger == NULL || copy == NULL) {
        free(copy);
        return false;
    }
    for (char *at = copy; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    bigger[certificate->n_names++] = copy;
    return true;
}

/* Nobody asks for other names of a host, and they are told to people, and in JSON. */
static bool is_ascii(const unsigned char *bytes, int n) {
    for (int i = 0; i < n; i++)
        if (bytes[i] <= ' ' || bytes[i] > '~')
            return false;
    return n > 0;
}

/* Those of one kind among its names. */
static bool add_names(struct tls_certificate *certificate, const GENERAL_NAMES *names, int kind) {
    char text[INET6_ADDRSTRLEN];
    bool good = true;

    for (int i = 0; good && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type != kind)
            continue;
        const unsigned char *bytes = ASN1_STRING_get0_data(name->d.ia5);
        int n = ASN1_STRING_length(name->d.ia5);
        if (kind == GEN_IPADD && (n == 4 || n == 16) &&
            inet_ntop(n == 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text)) != NULL)
            good = add_name(certificate, text, strlen(text));
        else if (kind == GEN_DNS && is_ascii(bytes, n))
            good = add_name(certificate, (const char *)bytes, (size_t)n);
    }
    return good;
}

/* Clients look at nothing else (RFC 9525, 2). */
static bool note_names(struct tls_certificate *certificate) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate->leaf, NID_subject_alt_name, NULL, NULL);
    bool good = add_names(certificate, names, GEN_DNS) && add_names(certificate, names, GEN_IPADD);

    GENERAL_NAMES_free(names);
    return good;
}

/* In UTF-8, whatever it stands in there; "": there is none. */
static void say_entry(const X509_NAME *name, int kind, char text[PEOPLE_MAX]) {
    int at = X509_NAME_get_index_by_NID(name, kind, -1);
    unsigned char *utf8 = NULL;

    text[0] = '\0';
    if (at < 0)
        return;
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    ERR_set_mark();
    int n = ASN1_STRING_to_UTF8(&utf8, value);
    ERR_pop_to_mark();
    if (n >= 0)
        escape_text((const char *)utf8, (size_t)n, ESCAPE_UNPRINTABLE, text, PEOPLE_MAX);
    else /* not what it says it is */
        escape_text((const char *)ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value),
                    ESCAPE_UNPRINTABLE, text, PEOPLE_MAX);
    OPENSSL_free(utf8);
}

char *certificate_say_name(const X509_NAME *name) {
    char common[PEOPLE_MAX], owner[PEOPLE_MAX], *text;
    int r;

    say_entry(name, NID_commonName, common);
    say_entry(name, NID_organizationName, owner);
    if (common[0] != '\0' && owner[0] != '\0')
        r = asprintf(&text, "%s (%s)", common, owner);
    else
        r = asprintf(&text, "%s%s", common, owner);
    return r < 0 ? NULL : text;
}

static char *say_serial(const X509 *leaf) {
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), NULL);
    char *hex = number != NULL ? BN_bn2hex(number) : NULL;
    char *text = hex != NULL ? strdup(hex) : NULL;

    for (char *at = text; at != NULL && *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    OPENSSL_free(hex);
    BN_free(number);
    return text;
}

int64_t certificate_seconds(const ASN1_TIME *time) {
    struct tm tm = {0};

    return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void check_strength(struct tls_certificate *certificate, struct tls_problems *problems) {
    int kind = EVP_PKEY_get_base_id(certificate->key), bits = EVP_PKEY_get_bits(certificate->key);

    certificate->key_bits = bits;
    certificate->type = kind == EVP_PKEY_RSA  ? TLS_KEY_RSA
                        : kind == EVP_PKEY_EC ? TLS_KEY_ECDSA
                                              : TLS_KEY_ED25519;
    if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_EC && kind != EVP_PKEY_ED25519)
        tls_tell(problems, TLS_WRONG,
                 "%s: keys of this kind are not served; it must be RSA, ECDSA or Ed25519",
                 certificate->key_file);
    else if ((kind == EVP_PKEY_RSA && bits < RSA_LEAST) ||
             (kind == EVP_PKEY_EC && bits < ECDSA_LEAST))
        tls_tell(problems, TLS_WRONG,
                 "%s: the key is too weak: it has %d bits, and clients want at least %d; issue the "
                 "certificate anew for a new key",
                 certificate->key_file, bits, kind == EVP_PKEY_RSA ? RSA_LEAST : ECDSA_LEAST);
}

/* What this machine trusts, read once: it only decides whether a doubt is told. */
static pthread_once_t trusted_once = PTHREAD_ONCE_INIT;
static X509_STORE *trusted;

static void read_trusted(void) {
    trusted = X509_STORE_new();
    if (trusted != NULL)
        (void)X509_STORE_set_default_paths(trusted);
    ERR_clear_error();
}

static bool is_issuer_in(X509_STORE *store, X509 *last) {
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509 *issuer = NULL;
    bool found = store != NULL && ctx != NULL && X509_STORE_CTX_init(ctx, store, NULL, NULL) == 1 &&
                 X509_STORE_CTX_get1_issuer(&issuer, ctx, last) == 1;
    X509_free(issuer);
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return found;
}

/* Each must be signed by the next (RFC 5246, 7.4.2). */
static void check_chain(const struct tls_certificate *certificate, struct tls_problems *problems) {
    X509 *last = certificate->leaf;

    for (int i = 0; i < sk_X509_num(certificate->chain); i++) {
        X509 *next = sk_X509_value(certificate->chain, i);

        if (X509_check_issued(next, last) != X509_V_OK) {
            char *wanted = certificate_say_name(X509_get_issuer_name(last)),
                 *there = certificate_say_name(X509_get_subject_name(next));

            tls_tell(
                problems, TLS_WRONG,
                "%s: the chain is in the wrong order or has a gap: certificate %d must be that "
                "of \"%s\", which signed the one before it, and is that of \"%s\"",
                certificate->file, i + 2, wanted != NULL ? wanted : "", there != NULL ? there : "");
            free(wanted);
            free(there);
            return;
        }
        last = next;
    }
}

/* Authorities of the web say where the certificate comes from that they signed this one with (RFC
 * 5280, 4.2.2.1); those that people make for themselves do not, and sign by what all have whom it
 * concerns. */
static bool names_issuer(X509 *last) {
    AUTHORITY_INFO_ACCESS *access = X509_get_ext_d2i(last, NID_info_access, NULL, NULL);
    bool found = false;

    for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(access); i++)
        found |= OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(access, i)->method) == NID_ad_ca_issuers;
    AUTHORITY_INFO_ACCESS_free(access);
    ERR_clear_error();
    return found;
}

void certificate_check_complete(const struct tls_certificate *certificate, X509_STORE *known,
                                struct tls_problems *problems) {
    int n = sk_X509_num(certificate->chain);
    X509 *last = n > 0 ? sk_X509_value(certificate->chain, n - 1) : certificate->leaf;

    pthread_once(&trusted_once, read_trusted);
    if (X509_check_issued(last, last) == X509_V_OK || is_issuer_in(trusted, last) ||
        is_issuer_in(known, last))
        return;
    char *missing = certificate_say_name(X509_get_issuer_name(last));
    tls_tell(
        problems, names_issuer(last) ? TLS_DOUBTFUL : TLS_ASKED,
        "%s: the chain may be incomplete: the certificate of \"%s\" comes next, and is neither "
        "in the file nor trusted by this machine; append it, unless it is trusted at the other "
        "side",
        certificate->file, missing != NULL ? missing : "");
    free(missing);
}

static void check_time(const struct tls_certificate *certificate, struct tls_problems *problems) {
    int64_t now = (int64_t)time(NULL), days;

    if (now >= certificate->not_after) {
        days = (now - certificate->not_after) / SECONDS_PER_DAY;
        tls_tell(problems, TLS_DOUBTFUL,
                 "%s: the certificate has expired %lld day%s ago, so nobody accepts it; renew it",
                 certificate->file, (long long)days, days == 1 ? "" : "s");
    } else if (now < certificate->not_before) {
        days = (certificate->not_before - now) / SECONDS_PER_DAY;
        tls_tell(problems, TLS_DOUBTFUL,
                 "%s: the certificate is not yet valid, for %lld more day%s, so nobody accepts it; "
                 "is this machine's clock right?",
                 certificate->file, (long long)days, days == 1 ? "" : "s");
    }
}

/* RFC 7633: such a certificate is refused without a stapled answer of OCSP. */
static void check_must_staple(const struct tls_certificate *certificate,
                              struct tls_problems *problems) {
    if (X509_get_ext_by_NID(certificate->leaf, NID_tlsfeature, -1) >= 0)
        tls_tell(
            problems, TLS_DOUBTFUL,
            "%s: the certificate wants OCSP stapling (must-staple), which relayd does not do, so "
            "some clients refuse it; issue it without",
            certificate->file);
}

void certificate_note_facts(struct tls_certificate *certificate, struct tls_problems *problems) {
    unsigned int n = TLS_FINGERPRINT_SIZE;

    certificate->subject = certificate_say_name(X509_get_subject_name(certificate->leaf));
    certificate->issuer = certificate_say_name(X509_get_issuer_name(certificate->leaf));
    certificate->serial = say_serial(certificate->leaf);
    if (!note_names(certificate) || certificate->subject == NULL || certificate->issuer == NULL ||
        certificate->serial == NULL ||
        X509_digest(certificate->leaf, EVP_sha256(), certificate->fingerprint, &n) != 1) {
        tls_tell_no_memory(problems);
        return;
    }
    certificate->not_before = certificate_seconds(X509_get0_notBefore(certificate->leaf));
    certificate->not_after = certificate_seconds(X509_get0_notAfter(certificate->leaf));
    check_strength(certificate, problems);
    check_chain(certificate, problems);
    check_time(certificate, problems);
    check_must_staple(certificate, problems);
}
