/* Type mysql: a server (MySQL or MariaDB) is up if it greets, and lets `user` in without a
 * password, or says that it may not come in.
 *
 * blocked_note: who leaves without a whole login counts as an interrupted handshake, even after
 * COM_QUIT in the place of a login. After max_connect_errors of them (100 by default) without a
 * good login in between, the server refuses this machine altogether (error 1129), and so relayd's
 * clients. A refused login does not count; a good one sets the count to 0. (MySQL Reference Manual,
 * "DNS Lookups and the Host Cache"; measured with MariaDB 10.11.)
 *
 * (MySQL Internals Manual, "Connection Phase".) */
#include <stdint.h>
#include <string.h>

#include "health/check.h"

#define PROTOCOL_VERSION 10

#define CLIENT_LONG_PASSWORD     0x00000001u
#define CLIENT_PROTOCOL_41       0x00000200u
#define CLIENT_SECURE_CONNECTION 0x00008000u
#define CLIENT_PLUGIN_AUTH       0x00080000u

#define UTF8            33          /* a collation that all versions know */
#define PACKET_MOST     0x01000000u /* that we take; none is as long */
#define TURNS_MOST      4           /* of the server, from our login to its verdict */
#define COM_QUIT        0x01
#define NATIVE_PASSWORD "mysql_native_password"

/* First bytes of an answer to a login. */
#define ANSWER_OK     0x00
#define ANSWER_MORE   0x01 /* for the plugin of the login */
#define ANSWER_SWITCH 0xfe /* to another plugin */
#define ANSWER_ERROR  0xff

#define ERROR_TOO_MANY      1040 /* full_note */
#define ERROR_NO_SUCH_LOGIN 1251 /* it knows no login for this user */

static const char not_mysql[] = "the answer is not that of MySQL";

static void say_packet(struct check *check, const unsigned char *body, size_t n) {
    unsigned char packet[CHECK_REPLY_MAX] = {(unsigned char)n, 0, 0, check->talk.mysql.number};

    CHECK(n < 256 && 4 + n <= sizeof(packet));
    memcpy(packet + 4, body, n);
    check_say(check, packet, 4 + n);
}

static size_t put_le32(unsigned char *to, uint32_t value) {
    for (size_t i = 0; i < 4; i++)
        to[i] = (unsigned char)(value >> (8 * i));
    return 4;
}

/* HandshakeResponse41, with an empty password. */
static void say_login(struct check *check, bool plugins) {
    const char *user = check->wish->config->user;
    unsigned char body[CHECK_REPLY_MAX - 4] = {0};
    size_t n = put_le32(body, CLIENT_LONG_PASSWORD | CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION |
                                  (plugins ? CLIENT_PLUGIN_AUTH : 0));

    n += put_le32(body + n, PACKET_MOST);
    body[n++] = UTF8;
    n += 23; /* zeros */
    CHECK(n + strlen(user) + 2 + sizeof(NATIVE_PASSWORD) <= sizeof(body));
    memcpy(body + n, user, strlen(user));
    n += strlen(user) + 1;
    n++; /* the length of what proves the password */
    if (plugins) {
        memcpy(body + n, NATIVE_PASSWORD, sizeof(NATIVE_PASSWORD));
        n += sizeof(NATIVE_PASSWORD);
    }
    say_packet(check, body, n);
}

static enum check_outcome judge_mysql_error(struct check *check,
                                            const struct answer_packet *packet) {
    static const struct {
        int code;
        const char *means;
    } known[] = {
        {1053, " (it stops)"},
        {1129, " (it has blocked this host: FLUSH HOSTS there)"},
        {1130, " (it takes no connections from this host)"},
    };
    const char *means = "";

    if (packet->kept < 3)
        return check_bad(check, not_mysql);
    int code = packet->body[1] | packet->body[2] << 8;
    /* "#" and the SQLSTATE, of which 08 is the class of failed connections. */
    bool failed = packet->kept >= 6 && memcmp(packet->body + 3, "#08", 3) == 0;

    if (code == ERROR_TOO_MANY ||
        (check->talk.mysql.turns > 0 && (!failed || code == ERROR_NO_SUCH_LOGIN)))
        return CHECK_GOOD;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].code == code)
            means = known[i].means;
    check->understood |= means[0] != '\0';
    return check_bad(check, "the answer is error %d%s", code, means);
}

/* HandshakeV10: the version as text, a thread, 8 bytes and a zero, and the lower half of the
 * capabilities; character set, status, and the upper half. */
static enum check_outcome judge_mysql_greeting(struct check *check,
                                               const struct answer_packet *packet) {
    const unsigned char *body = packet->body;
    const unsigned char *end = packet->kept > 1 ? memchr(body + 1, '\0', packet->kept - 1) : NULL;

    if (packet->kept > 0 && body[0] == ANSWER_ERROR)
        return judge_mysql_error(check, packet);
    if (end == NULL || body[0] != PROTOCOL_VERSION)
        return check_bad(check, not_mysql);
    size_t upper = (size_t)(end - body) + 1 + 4 + 8 + 1 + 2 + 1 + 2;
    say_login(check, packet->kept >= upper + 2 && (body[upper] & CLIENT_PLUGIN_AUTH >> 16) != 0);
    return CHECK_UNDER_WAY;
}

/* The proof of an empty password is nothing, or a zero. */
static void follow_switch(struct check *check, const struct answer_packet *packet) {
    static const unsigned char zero[1];
    bool native = packet->kept > sizeof(NATIVE_PASSWORD) &&
                  memcmp(packet->body + 1, NATIVE_PASSWORD, sizeof(NATIVE_PASSWORD)) == 0;

    say_packet(check, zero, native ? 0 : 1);
}

static enum check_outcome judge_login(struct check *check, const struct answer_packet *packet) {
    static const unsigned char quit[] = {COM_QUIT};

    if (packet->kept == 0 || check->talk.mysql.turns > TURNS_MOST)
        return check_bad(check, not_mysql);
    switch (packet->body[0]) {
    case ANSWER_OK:
        check->talk.mysql.number = 0; /* a command begins anew */
        say_packet(check, quit, sizeof(quit));
        return CHECK_GOOD;
    case ANSWER_SWITCH:
        follow_switch(check, packet);
        return CHECK_UNDER_WAY;
    case ANSWER_MORE:
        return CHECK_UNDER_WAY; /* OK or an error follows */
    case ANSWER_ERROR:
        return judge_mysql_error(check, packet);
    default:
        return check_bad(check, not_mysql);
    }
}

static enum check_outcome mysql_answer(struct check *check, const char *bytes, size_t n) {
    struct check_mysql *talk = &check->talk.mysql;
    enum check_outcome outcome = CHECK_UNDER_WAY;

    for (size_t used = 0; used < n && outcome == CHECK_UNDER_WAY;) {
        if (check_has_words(check)) /* it does not wait for our answer */
            return check_bad(check, not_mysql);
        used += answer_packet_take(&talk->packet, FRAMING_MYSQL, bytes + used, n - used);
        if (talk->packet.bad)
            return check_bad(check, not_mysql);
        if (!talk->packet.whole)
            break;
        talk->number = (unsigned char)(talk->packet.head[3] + 1);
        outcome = talk->turns == 0 ? judge_mysql_greeting(check, &talk->packet)
                                   : judge_login(check, &talk->packet);
        talk->turns++;
    }
    return outcome;
}

const struct check_ops check_mysql_ops = {.answer = mysql_answer};
