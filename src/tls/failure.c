#include "tls/failure.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>

#include "base/check.h"

static const struct words {
    int reason;
    const char *words;
} reasons[] = {
    {SSL_R_HTTP_REQUEST, "it speaks plain HTTP, not TLS"},
    {SSL_R_HTTPS_PROXY_REQUEST, "it speaks plain HTTP, not TLS"},
    {SSL_R_WRONG_VERSION_NUMBER, "it does not speak TLS"},
    {SSL_R_RECORD_LENGTH_MISMATCH, "it does not speak TLS"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "it offers no version of TLS that is allowed"},
    {SSL_R_VERSION_TOO_LOW, "it offers no version of TLS that is allowed"},
    {SSL_R_NO_SHARED_CIPHER, "it offers no cipher that is allowed"},
    {SSL_R_NO_SHARED_GROUPS, "it offers no group that is allowed"},
    {SSL_R_NO_SUITABLE_KEY_SHARE, "it offers no group that is allowed"},
    {SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, "it takes no signature of the certificate's key"},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "it takes no signature of the certificate's key"},
    {SSL_R_NO_APPLICATION_PROTOCOL, "it offers no protocol (ALPN) that is allowed"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "it has sent no certificate"},
    {SSL_R_NO_RENEGOTIATION, "it asks for a renegotiation"},
    {SSL_R_INAPPROPRIATE_FALLBACK, "it has fallen back from a version that is allowed"},
};

/* Alerts have reasons from SSL_AD_REASON_OFFSET on: what the peer says (RFC 8446, 6.2). */
static const struct words alerts[] = {
    {SSL_AD_HANDSHAKE_FAILURE, "it found nothing in common (alert handshake_failure)"},
    {SSL_AD_BAD_CERTIFICATE, "it refuses the certificate (alert bad_certificate)"},
    {SSL_AD_UNSUPPORTED_CERTIFICATE, "it refuses the kind of certificate"},
    {SSL_AD_CERTIFICATE_REVOKED, "it says that the certificate is revoked"},
    {SSL_AD_CERTIFICATE_EXPIRED, "it says that the certificate has expired"},
    {SSL_AD_CERTIFICATE_UNKNOWN, "it does not take the certificate (alert certificate_unknown)"},
    {SSL_AD_UNKNOWN_CA, "it does not know who has signed the certificate (alert unknown_ca)"},
    {SSL_AD_ACCESS_DENIED, "it denies access"},
    {SSL_AD_PROTOCOL_VERSION, "it speaks no version of TLS that is allowed"},
    {SSL_AD_INSUFFICIENT_SECURITY, "it wants stronger ciphers"},
    {SSL_AD_INTERNAL_ERROR, "it has an internal error"},
    {SSL_AD_UNRECOGNIZED_NAME, "it does not know the name that it is asked for"},
    {SSL_AD_CERTIFICATE_REQUIRED, "it requires a certificate"},
    {SSL_AD_NO_APPLICATION_PROTOCOL, "it speaks no protocol (ALPN) that is offered"},
};

static const char *find_words(const struct words *list, size_t n, int reason) {
    for (size_t i = 0; i < n; i++)
        if (list[i].reason == reason)
            return list[i].words;
    return NULL;
}

bool tls_failure_is_alert(unsigned long error) {
    int reason = ERR_GET_REASON(error);

    return ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET &&
           reason < SSL_AD_REASON_OFFSET + 256;
}

static const char *known_words(unsigned long error) {
    int reason = ERR_GET_REASON(error);

    if (tls_failure_is_alert(error))
        return find_words(alerts, ARRAY_LEN(alerts), reason - SSL_AD_REASON_OFFSET);
    return ERR_GET_LIB(error) == ERR_LIB_SSL ? find_words(reasons, ARRAY_LEN(reasons), reason)
                                             : NULL;
}

void tls_failure_words(SSL *ssl, unsigned long error, char ret_why[TLS_REASON_MAX]) {
    const char *known = known_words(error), *other = ERR_reason_error_string(error);
    long verified = SSL_get_verify_result(ssl);

    if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK)
        snprintf(ret_why, TLS_REASON_MAX, "its certificate is not good: %s",
                 X509_verify_cert_error_string(verified));
    else if (known != NULL)
        snprintf(ret_why, TLS_REASON_MAX, "%s", known);
    else
        snprintf(ret_why, TLS_REASON_MAX, "%s", other != NULL ? other : "unknown error");
}
