/* Alerts that a peer sends as it gives up (RFC 8446, 6.2), in words. Pure; any thread. */
#ifndef TLS_ALERT_H
#define TLS_ALERT_H

#include <stdint.h>

#define TLS_REASON_MAX 224

/* Whether a server has asked for a certificate of ours. */
enum tls_asked {
    TLS_NOT_ASKED,
    TLS_ASKED_IN_VAIN, /* there is none to show */
    TLS_ASKED_SHOWN,
};

/* A clause, and the remedy where our own certificate is meant. asked: of a client that the peer
 * is, TLS_NOT_ASKED. */
void alert_words(uint8_t alert, enum tls_asked asked, char ret_why[TLS_REASON_MAX]);

/* Of a server that has ended without a word, or whose alert was lost: a clause, or "" if it has not
 * asked in vain. */
void alert_words_of_silence(enum tls_asked asked, char ret_why[TLS_REASON_MAX]);

#endif
