#include "tls/alert.h"

#include <stddef.h>
#include <stdio.h>

#include "base/check.h"

/* What an alert may be about, of a peer that has asked for a certificate. */
enum { ABOUT_NONE, ABOUT_IT, ABOUT_ITS_LACK };

static const struct alert_info {
    uint8_t alert; /* RFC 8446, B.2 */
    int about;
    const char *name, *words;
} infos[] = {
    {10, ABOUT_NONE, "unexpected_message", "it got a message that it did not expect"},
    {20, ABOUT_NONE, "bad_record_mac", "it could not open a record"},
    {40, ABOUT_ITS_LACK, "handshake_failure", "it found nothing in common"},
    {42, ABOUT_IT, "bad_certificate", "it refuses the certificate"},
    {43, ABOUT_IT, "unsupported_certificate", "it refuses the kind of certificate"},
    {44, ABOUT_IT, "certificate_revoked", "it says that the certificate is revoked"},
    {45, ABOUT_IT, "certificate_expired", "it says that the certificate has expired"},
    {46, ABOUT_IT, "certificate_unknown", "it does not take the certificate"},
    {48, ABOUT_IT, "unknown_ca", "it does not know who has signed the certificate"},
    {49, ABOUT_IT, "access_denied", "it denies access"},
    {51, ABOUT_NONE, "decrypt_error", "it could not verify a signature or a Finished"},
    {70, ABOUT_NONE, "protocol_version", "it speaks no version of TLS that is allowed"},
    {71, ABOUT_NONE, "insufficient_security", "it wants stronger ciphers"},
    {80, ABOUT_NONE, "internal_error", "it has an internal error"},
    {112, ABOUT_NONE, "unrecognized_name", "it does not know the name that it is asked for"},
    {116, ABOUT_ITS_LACK, "certificate_required", "it requires a certificate"},
    {120, ABOUT_NONE, "no_application_protocol", "it speaks no protocol (ALPN) that is offered"},
};

static const struct alert_info *find_alert(uint8_t alert) {
    for (size_t i = 0; i < ARRAY_LEN(infos); i++)
        if (infos[i].alert == alert)
            return &infos[i];
    return NULL;
}

void alert_words(uint8_t alert, enum tls_asked asked, char ret_why[TLS_REASON_MAX]) {
    const struct alert_info *info = find_alert(alert);

    if (info == NULL)
        snprintf(ret_why, TLS_REASON_MAX, "it has given up (alert %u)", alert);
    else if (asked == TLS_ASKED_IN_VAIN && info->about != ABOUT_NONE)
        snprintf(ret_why, TLS_REASON_MAX,
                 "it asks for a certificate of relayd's, and there is none (alert %s); name one as "
                 "certificate = in the upstream's tls section",
                 info->name);
    else if (asked == TLS_ASKED_SHOWN && info->about == ABOUT_IT)
        snprintf(ret_why, TLS_REASON_MAX,
                 "%s (alert %s); that is relayd's own, certificate = and key = in the upstream's "
                 "tls section",
                 info->words, info->name);
    else
        snprintf(ret_why, TLS_REASON_MAX, "%s (alert %s)", info->words, info->name);
}

void alert_words_of_silence(enum tls_asked asked, char ret_why[TLS_REASON_MAX]) {
    ret_why[0] = '\0';
    if (asked == TLS_ASKED_IN_VAIN)
        snprintf(ret_why, TLS_REASON_MAX,
                 "it had asked for a certificate of relayd's, and there is none; if that is why, "
                 "name one as certificate = in the upstream's tls section");
}
