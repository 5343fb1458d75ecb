#include "tls/failure.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>

#include "base/check.h"
#include "base/text.h"
#include "tls/asked.h"
#include "tls/refusal.h"

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

static const char *find_words(int reason) {
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].reason == reason)
            return reasons[i].words;
    return NULL;
}

/* Alerts have reasons from SSL_AD_REASON_OFFSET on. */
bool tls_failure_is_alert(unsigned long error) {
    int reason = ERR_GET_REASON(error);

    return ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET &&
           reason < SSL_AD_REASON_OFFSET + 256;
}

void tls_failure_words(SSL *ssl, unsigned long error, char ret_why[TLS_REASON_MAX]) {
    const char *other = ERR_reason_error_string(error);
    const char *known =
        ERR_GET_LIB(error) == ERR_LIB_SSL ? find_words(ERR_GET_REASON(error)) : NULL;
    const char *kept = refusal_kept(ssl);
    long verified = SSL_get_verify_result(ssl);

    ret_why[0] = '\0';
    if (tls_failure_is_alert(error))
        alert_words((uint8_t)(ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET), asked_get(ssl),
                    ret_why);
    else if (kept != NULL)
        text_append(ret_why, TLS_REASON_MAX, "%s", kept);
    else if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK)
        snprintf(ret_why, TLS_REASON_MAX, "its certificate is not good: %s",
                 X509_verify_cert_error_string(verified));
    else if (known != NULL)
        snprintf(ret_why, TLS_REASON_MAX, "%s", known);
    else
        snprintf(ret_why, TLS_REASON_MAX, "%s", other != NULL ? other : "unknown error");
}
