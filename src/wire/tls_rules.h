/* What an opened record means, behind the handshake: RFC 8446, 4.6, 5 and 6; RFC 5246, 6.2 and
 * 7.2, one by one in README.md. Whatever breaks a rule ends the connection. Pure but for the keys
 * that a KeyUpdate changes; one direction's, one thread's; no lock. */
#ifndef WIRE_TLS_RULES_H
#define WIRE_TLS_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "wire/tls_record.h"

#define TLS_IDLE_MAX 32 /* records in a row that bring no data; others' limit, too */

/* What has come so far. Zeroed at first. */
struct tls_rules {
    uint8_t idle;    /* records in a row that brought no data */
    uint8_t head[4]; /* of the handshake message under way: type, length */
    uint8_t head_n;  /* bytes of it that have come */
    uint8_t request; /* of a KeyUpdate: whether one in return is asked for */
    uint32_t left;   /* bytes of the message's body to come */
};

enum tls_meaning {
    TLS_MEANS_DATA,
    TLS_MEANS_NOTHING,      /* to be skipped */
    TLS_MEANS_END,          /* close_notify */
    TLS_MEANS_UPDATE,       /* the peer's key has changed, and that of the half with it */
    TLS_MEANS_UPDATE_ASKED, /* the same, and a KeyUpdate of ours is asked for (RFC 8446, 4.6.3) */
    TLS_MEANS_FATAL,        /* the peer has given up: *ret_alert says why */
    TLS_MEANS_BAD,          /* it broke a rule: *ret_alert is to be sent */
};

/* Takes the records in the order in which tls_open opened them with half, each before the next is
 * opened: a KeyUpdate changes the key of the next (tls_keys_update and tls_half_begin are called
 * here). No more calls after END, FATAL or BAD (RFC 8446, 6.1: what follows is ignored). */
enum tls_meaning tls_judge(struct tls_rules *rules, struct tls_half *half, bool we_are_client,
                           const struct tls_opened *opened, uint8_t *ret_alert) MUST_USE;

#endif
