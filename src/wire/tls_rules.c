/* The messages that may come behind the handshake, and how they may be cut into records. */
#include "wire/tls_rules.h"

/* RFC 8446, B.3; RFC 5246, 7.4. */
enum { HELLO_REQUEST = 0, CLIENT_HELLO = 1, NEW_SESSION_TICKET = 4, KEY_UPDATE = 24 };

enum { LEVEL_WARNING = 1, LEVEL_FATAL = 2 }; /* RFC 5246, 7.2 */

/* The largest that RFC 8446, 4.6.1, has room for: two times, a nonce, a ticket, extensions. */
#define TICKET_MAX (4 + 4 + 1 + 255 + 2 + 65535 + 2 + 65534)

static enum tls_meaning break_rule(enum tls_alert alert, uint8_t *ret_alert) {
    *ret_alert = (uint8_t)alert;
    return TLS_MEANS_BAD;
}

/* A record that brings no data. A peer that sends nothing else costs work and gets on with
 * nothing. */
static enum tls_meaning count_idle(struct tls_rules *rules, enum tls_meaning meaning,
                                   uint8_t *ret_alert) {
    if (++rules->idle > TLS_IDLE_MAX)
        return break_rule(TLS_UNEXPECTED_MESSAGE, ret_alert);
    return meaning;
}

/* Exactly one alert a record: RFC 8446, 5.1. RFC 5246 has no such words, but nobody parts two
 * bytes. */
static enum tls_meaning judge_alert(struct tls_rules *rules, bool modern,
                                    const struct tls_opened *opened, uint8_t *ret_alert) {
    if (opened->n != 2)
        return break_rule(TLS_UNEXPECTED_MESSAGE, ret_alert);
    uint8_t level = opened->plain[0], alert = opened->plain[1];
    /* RFC 8446, 6: the level is ignored; all but these two are errors, unknown ones, too. 6.1: a
     * close_notify is to follow user_canceled, which is no end. */
    bool passes = modern ? alert == TLS_USER_CANCELED : level == LEVEL_WARNING;
    if (!modern && level != LEVEL_WARNING && level != LEVEL_FATAL)
        return break_rule(TLS_ILLEGAL_PARAMETER, ret_alert);
    if (alert == TLS_CLOSE_NOTIFY && (modern || level == LEVEL_WARNING))
        return TLS_MEANS_END;
    if (passes)
        return count_idle(rules, TLS_MEANS_NOTHING, ret_alert);
    *ret_alert = alert;
    return TLS_MEANS_FATAL;
}

/* Which handshake message may begin now; 0: this one. Else the alert. */
static uint8_t check_message_type(uint8_t type, bool modern, bool we_are_client) {
    /* A CertificateRequest needs an extension that we do not send (RFC 8446, 4.6.2), and a
     * ClientHello is none of TLS 1.3's messages any more (4.1.2). */
    if (modern && (type == KEY_UPDATE || (type == NEW_SESSION_TICKET && we_are_client)))
        return 0;
    if (!modern && type == HELLO_REQUEST && we_are_client)
        return 0;
    if (!modern && type == CLIENT_HELLO && !we_are_client) /* RFC 5246, 7.2.2 */
        return TLS_NO_RENEGOTIATION;
    return TLS_UNEXPECTED_MESSAGE;
}

static uint8_t check_message_size(uint8_t type, uint32_t size) {
    uint32_t least = type == KEY_UPDATE ? 1 : 0,
             most = type == NEW_SESSION_TICKET ? TICKET_MAX : least;

    return size < least || size > most ? TLS_DECODE_ERROR : 0;
}

/* The peer's next key is in force from the next record on (RFC 8446, 4.6.3), so nothing may be
 * behind the message in this one (5.1). */
static enum tls_meaning change_key(struct tls_rules *rules, struct tls_half *half, bool is_last,
                                   uint8_t *ret_alert) {
    if (rules->request > 1)
        return break_rule(TLS_ILLEGAL_PARAMETER, ret_alert);
    if (!is_last)
        return break_rule(TLS_UNEXPECTED_MESSAGE, ret_alert);
    if (tls_keys_update(&half->keys) != 0 || tls_half_begin(half, &half->keys, false) != 0)
        return break_rule(TLS_INTERNAL_ERROR, ret_alert);
    return rules->request == 1 ? TLS_MEANS_UPDATE_ASKED : TLS_MEANS_UPDATE;
}

/* Takes the next byte of the four that a message begins with; the alert if it is wrong. */
static uint8_t take_message_head(struct tls_rules *rules, uint8_t byte, bool modern,
                                 bool we_are_client) {
    rules->head[rules->head_n++] = byte;
    if (rules->head_n == 1)
        return check_message_type(byte, modern, we_are_client);
    if (rules->head_n < sizeof(rules->head))
        return 0;
    rules->left =
        (uint32_t)rules->head[1] << 16 | (uint32_t)rules->head[2] << 8 | (uint32_t)rules->head[3];
    return check_message_size(rules->head[0], rules->left);
}

/* Messages may be cut and joined as the peer likes, but for what change_key says. What they say is
 * dropped, but for a KeyUpdate's one byte. */
static enum tls_meaning judge_handshake(struct tls_rules *rules, struct tls_half *half,
                                        bool we_are_client, const struct tls_opened *opened,
                                        uint8_t *ret_alert) {
    bool modern = half->keys.version == TLS_1_3;

    if (opened->n == 0) /* RFC 8446, 5.4; RFC 5246, 6.2.1 */
        return break_rule(TLS_UNEXPECTED_MESSAGE, ret_alert);
    for (size_t at = 0; at < opened->n;) {
        if (rules->head_n < sizeof(rules->head)) {
            uint8_t alert = take_message_head(rules, opened->plain[at++], modern, we_are_client);
            if (alert != 0)
                return break_rule(alert, ret_alert);
        } else {
            size_t n = opened->n - at < rules->left ? opened->n - at : rules->left;
            rules->request = opened->plain[at];
            at += n;
            rules->left -= (uint32_t)n;
        }
        if (rules->head_n < sizeof(rules->head) || rules->left > 0)
            continue;
        rules->head_n = 0;
        if (rules->head[0] == KEY_UPDATE) {
            enum tls_meaning meaning = change_key(rules, half, at == opened->n, ret_alert);
            return meaning == TLS_MEANS_BAD ? meaning : count_idle(rules, meaning, ret_alert);
        }
    }
    return count_idle(rules, TLS_MEANS_NOTHING, ret_alert);
}

enum tls_meaning tls_judge(struct tls_rules *rules, struct tls_half *half, bool we_are_client,
                           const struct tls_opened *opened, uint8_t *ret_alert) {
    bool modern = half->keys.version == TLS_1_3;

    /* RFC 8446, 5.1: no other record within a handshake message. TLS 1.2 lets data come between
     * (RFC 5246, 6.2.1). */
    if (modern && rules->head_n > 0 && opened->content != TLS_HANDSHAKE)
        return break_rule(TLS_UNEXPECTED_MESSAGE, ret_alert);
    switch (opened->content) {
    case TLS_DATA:
        if (opened->n == 0)
            return count_idle(rules, TLS_MEANS_NOTHING, ret_alert);
        rules->idle = 0;
        return TLS_MEANS_DATA;
    case TLS_ALERT:
        return judge_alert(rules, modern, opened, ret_alert);
    case TLS_HANDSHAKE:
        return judge_handshake(rules, half, we_are_client, opened, ret_alert);
    case TLS_CHANGE_CIPHER: /* RFC 8446, 5: a protected one never; RFC 5246, 7.1: not now */
    default:
        return break_rule(TLS_UNEXPECTED_MESSAGE, ret_alert);
    }
}
