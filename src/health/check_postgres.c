/* Type postgres: a server is up if it asks for a password, lets `user` in, or says why `user` may
 * not come in; down while it says that it starts, stops or recovers, as for pg_isready(1). The
 * check leaves when asked for a password, of which a server logs nothing.
 *
 * (PostgreSQL documentation, "Message Formats" and "PostgreSQL Error Codes".) */
#include <stdint.h>
#include <string.h>

#include "health/check.h"

#define PROTOCOL_3_0 0x30000
#define STATE_LENGTH 5
#define TOO_MANY     "53300" /* full_note */
#define NOT_NOW      "57P03"

static const char not_postgres[] = "the answer is not that of PostgreSQL";

/* StartupMessage: its length and the version, the highest byte first; then pairs of texts, and a
 * NUL. */
static size_t postgres_request(const struct check_wish *wish, char *buf, size_t size) {
    static const char rest[] = "database\0postgres\0application_name\0relayd\0";
    const char *user = wish->config->user;
    const size_t n_user = strlen(user) + 1, n = 4 + 4 + sizeof("user") + n_user + sizeof(rest);
    const unsigned char head[] = {
        0, 0, (unsigned char)(n >> 8), (unsigned char)n, 0, PROTOCOL_3_0 >> 16, 0, 0};

    if (size < n)
        return n;
    memcpy(buf, head, sizeof(head));
    buf = mempcpy(buf + sizeof(head), "user", sizeof("user"));
    memcpy(mempcpy(buf, user, n_user), rest, sizeof(rest));
    return n;
}

/* Of an ErrorResponse (fields of a letter, a text and a NUL): its SQLSTATE, or NULL. */
static const char *find_sqlstate(const struct answer_packet *packet) {
    for (size_t at = 0; at < packet->kept && packet->body[at] != '\0';) {
        const char *text = (const char *)packet->body + at + 1;
        size_t n = strnlen(text, packet->kept - at - 1);

        if (packet->body[at] == 'C' && n == STATE_LENGTH && at + 1 + n < packet->kept &&
            strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == n)
            return text;
        at += 1 + n + 1;
    }
    return NULL;
}

static enum check_outcome judge_sqlstate(struct check *check, const char *state) {
    /* Connection exception, insufficient resources, operator intervention, system and internal
     * error. */
    static const char *const bad[] = {"08", "53", "57", "58", "XX"};

    check->understood |= memcmp(state, "08", 2) != 0;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (memcmp(state, bad[i], 2) == 0 && strcmp(state, TOO_MANY) != 0)
            return check_bad(check, "the answer is error %s%s", state,
                             strcmp(state, NOT_NOW) == 0 ? " (it takes no connections now)" : "");
    return CHECK_GOOD;
}

static enum check_outcome judge_message(struct check *check, const struct answer_packet *packet) {
    static const char terminate[] = {'X', 0, 0, 0, 4}, ok[4];
    const char *state;

    switch (packet->head[0]) {
    case 'R': /* Authentication...: AuthenticationOk, or what it asks for */
        if (packet->kept < sizeof(ok))
            return check_bad(check, not_postgres);
        if (memcmp(packet->body, ok, sizeof(ok)) == 0)
            check_say(check, terminate, sizeof(terminate));
        return CHECK_GOOD;
    case 'E':
        state = find_sqlstate(packet);
        return state != NULL ? judge_sqlstate(check, state) : check_bad(check, not_postgres);
    case 'N': /* NoticeResponse, NegotiateProtocolVersion: something follows */
    case 'v':
        return CHECK_UNDER_WAY;
    default:
        return check_bad(check, not_postgres);
    }
}

static enum check_outcome postgres_answer(struct check *check, const char *bytes, size_t n) {
    struct answer_packet *packet = &check->talk.packet;
    enum check_outcome outcome = CHECK_UNDER_WAY;

    for (size_t used = 0; used < n && outcome == CHECK_UNDER_WAY;) {
        used += answer_packet_take(packet, FRAMING_POSTGRES, bytes + used, n - used);
        if (packet->whole)
            outcome = judge_message(check, packet);
        else if (packet->bad)
            outcome = check_bad(check, not_postgres);
    }
    return outcome;
}

const struct check_ops check_postgres_ops = {.request = postgres_request,
                                             .answer = postgres_answer};
