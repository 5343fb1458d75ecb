/* One check of a server: connects, comes to a verdict, and parts in good order, on a socket that
 * never blocks. The checker's thread polls it, and ends it in time. Types of checks differ in
 * struct check_ops.
 *
 * The checker's thread's, but for check_init. */
#ifndef HEALTH_CHECK_H
#define HEALTH_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "health/check_wish.h"
#include "wire/answer_line.h"
#include "wire/answer_packet.h"
#include "wire/http1.h"

struct tls_talk; /* tls/talk.h */

#define CHECK_WHY_MAX   256
#define CHECK_REPLY_MAX 256
#define CHECK_KEPT_MAX  4096 /* bytes of an answer that type talk keeps */
/* bytes that are read and dropped after the verdict, lest they meet a reset */
#define CHECK_DRAIN_MAX (256 * 1024)

enum check_outcome {
    CHECK_UNDER_WAY,
    CHECK_GOOD,
    /* `why` is a clause; what the server said in it is escaped (base/escape.h) */
    CHECK_BAD,
    /* says nothing of the server: this machine ran out of descriptors, memory or ports */
    CHECK_VOID,
    CHECK_CUT_OFF, /* nor does this: no way to it from this machine, see `error` */
};

struct check;

/* A type of check.
 *
 * full_note: a server that says that it has too many connections is alive. To take it for down
 * would end those connections, with on_down = reset; its max_connections says how many it may
 * have. */
struct check_ops {
    /* Writes at most size bytes to send once connected, and returns how many there would be, as
     * snprintf(3), without the NUL. NULL: nothing to send. */
    size_t (*request)(const struct check_wish *wish, char *buf, size_t size);
    /* Takes the next n bytes of the answer, however split. May call check_say before a verdict or
     * with it. NULL: no answer is awaited; all sent is good. */
    enum check_outcome (*answer)(struct check *check, const char *bytes, size_t n);
    /* The answer began, but has no verdict "in 1s" or "before the end": check_bad with what is
     * there instead. NULL: nothing special. */
    enum check_outcome (*lacks)(struct check *check, const char *when);
    /* When parting: n more bytes of the answer. Whether it is over, so that no more are waited for.
     * NULL: `left` says it alone. */
    bool (*rest)(struct check *check, const char *bytes, size_t n);
};

extern const struct check_ops check_tcp_ops, check_http_ops, check_mysql_ops, check_postgres_ops,
    check_redis_ops, check_smtp_ops, check_talk_ops;

/* What type http knows. */
struct check_http {
    uint8_t interim;            /* answers 1xx so far */
    bool chunked;               /* the answer under way is, and its chunks are good so far: */
    struct http1_chunks chunks; /* what came of it */
};

/* What type mysql knows. */
struct check_mysql {
    struct answer_packet packet;
    unsigned char number; /* of our next packet */
    int turns;            /* packets so far */
};

enum check_stage {
    CHECK_CONNECTS,
    CHECK_SHAKES,  /* makes a TLS handshake */
    CHECK_SAYS,    /* sends its words */
    CHECK_LISTENS, /* waits for an answer */
    CHECK_PARTS,   /* had a verdict */
};

struct check {
    const struct check_wish *wish;
    const struct check_ops *ops;
    char *request; /* always the same: a PROXY header, then what ops asks */
    size_t request_length;
    size_t header_length; /* of the PROXY header in it, which goes before TLS */
    size_t turn;          /* of the local addresses */
    /* Of the check under way: */
    int fd;                    /* -1: none */
    struct tls_talk *talk_tls; /* NULL: plain, or not yet */
    enum check_stage stage;
    const char *words; /* the request, or the reply */
    size_t words_length, said;
    char reply[CHECK_REPLY_MAX];
    bool heard; /* something has come, within TLS if it speaks that */
    bool gone;  /* the server has closed or reset the connection */
    /* our end does not come before the server's, which might take us for gone; set by the type */
    bool stays;
    bool shut; /* our side has ended */
    /* it speaks of itself, or TLS, so no PROXY header is in its way; set by the type */
    bool understood;
    /* when parting: bytes still to come, or to be dropped */
    size_t left;
    union {
        struct check_http http;
        struct check_mysql mysql;
        struct answer_packet packet;
        struct answer_line line;
    } talk; /* the type's own, zeroed at the beginning */
    /* NULL, or the beginning of the answer: as much as the type has room for; until check_end */
    char *kept;
    size_t kept_n;
    char why[CHECK_WHY_MAX];
    int error; /* of CHECK_CUT_OFF, as route_error */
};

/* Prepares checks by a wish, which stays the caller's and must last. 0 or -ENOMEM. Any thread. */
int check_init(struct check *check, const struct check_wish *wish) MUST_USE;
void check_destroy(struct check *check); /* and ends it */

/* Begins, if none is under way. May have an outcome at once. */
enum check_outcome check_begin(struct check *check) MUST_USE;

/* For poll(2). */
short check_events(const struct check *check);

/* These have happened, before a verdict. One or two system calls, so that no server keeps the
 * thread busy. */
enum check_outcome check_go_on(struct check *check) MUST_USE;

/* After a verdict, at once and on events: sends what is left, ends our side, and reads what comes,
 * so that the server sees an end and no reset. Then closes the socket. */
void check_part(struct check *check);

/* Time is up: CHECK_BAD, by what has come. */
enum check_outcome check_late(struct check *check, usec_t timeout) MUST_USE;

/* Closes the socket, if any. `why` stays. */
void check_end(struct check *check);

/* For types: writes why, cut to fit, and returns CHECK_BAD. */
enum check_outcome check_bad(struct check *check, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* For types: sends these bytes next, at most CHECK_REPLY_MAX, once the former ones are sent. */
void check_say(struct check *check, const void *bytes, size_t n);

/* Whether some are unsent. */
bool check_has_words(const struct check *check);

#endif
