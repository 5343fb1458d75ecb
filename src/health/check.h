/* One check of one server: from the connect to a verdict, and on to an end in good order, on a
 * socket that never blocks. The checker's thread polls it, and ends it when its time is up. What
 * differs between types of checks is in struct check_ops.
 *
 * All of it is the checker's thread's, but for check_init. */
#ifndef HEALTH_CHECK_H
#define HEALTH_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "health/check_wish.h"
#include "wire/answer_line.h"
#include "wire/answer_packet.h"
#include "wire/http_head.h"

#define CHECK_WHY_MAX   256
#define CHECK_REPLY_MAX 256
#define CHECK_KEPT_MAX  4096 /* bytes of an answer that a type may keep */
#define CHECK_DRAIN_MAX                                                                            \
    (256 *                                                                                         \
     1024) /* bytes that are read and dropped after the verdict, so that no reset meets them */

enum check_outcome {
    CHECK_UNDER_WAY,
    CHECK_GOOD,
    /* `why` says why, in a clause; what of it is the server's is escaped (base/escape.h) */
    CHECK_BAD,
    /* it says nothing of the server: descriptors, memory or ports of this machine ran out */
    CHECK_VOID,
    CHECK_CUT_OFF, /* nor does this: this machine has no way to its address, see `error` */
};

struct check;

/* A type of check.
 *
 * full_note: of a server that says that it has too many connections the type is told that it is
 * alive. To take it for down would end the connections of those who fill it, with on_down = reset;
 * how many it may have is for its max_connections to say. */
struct check_ops {
    /* Writes what is sent once connected, as snprintf(3) does: at most size bytes, and returns how
     * many it would be without the NUL. NULL: nothing. */
    size_t (*request)(const struct check_wish *wish, char *buf, size_t size);
    /* Looks at the next n bytes of the answer, in whatever split they come. It may call check_say,
     * before a verdict or with it. NULL: none is waited for, and the check is good once all is
     * sent. */
    enum check_outcome (*answer)(struct check *check, const char *bytes, size_t n);
    /* An answer has begun, and no verdict comes "in 1s" or "before the end": says what there is
     * instead, by check_bad. NULL: what is said of every type is enough. */
    enum check_outcome (*lacks)(struct check *check, const char *when);
};

extern const struct check_ops check_tcp_ops, check_http_ops, check_mysql_ops, check_postgres_ops,
    check_redis_ops, check_smtp_ops, check_talk_ops;

/* What type mysql knows. */
struct check_mysql {
    struct answer_packet packet;
    unsigned char number; /* of our next packet */
    int turns;            /* packets that have come */
};

enum check_stage {
    CHECK_CONNECTS,
    CHECK_SAYS,    /* what it has to say */
    CHECK_LISTENS, /* for an answer */
    CHECK_PARTS,   /* there was a verdict */
};

struct check {
    const struct check_wish *wish;
    const struct check_ops *ops;
    char *request; /* the same each time: a PROXY header, then what ops asks */
    size_t request_length;
    size_t turn; /* of the local addresses */
    /* Of the check under way: */
    int fd; /* -1: none is */
    enum check_stage stage;
    const char *words; /* the request, or the reply: */
    size_t words_length, said;
    char reply[CHECK_REPLY_MAX];
    bool heard; /* something has come */
    /* our side is not ended before the server's, which may take us for gone; set by its type */
    bool stays;
    bool shut; /* our side has ended */
    /* once it parts: bytes that may still come until it is enough, or the answer is whole */
    size_t left;
    union {
        struct http_head http;
        struct check_mysql mysql;
        struct answer_packet packet;
        struct answer_line line;
    } talk; /* what its type knows; zeroed at the beginning */
    /* NULL, or CHECK_KEPT_MAX bytes and a NUL for the type to keep what has come, until
     * check_end: */
    char *kept;
    size_t kept_n;
    char why[CHECK_WHY_MAX];
    int error; /* of CHECK_CUT_OFF: route_error */
};

/* Prepares checks of what the wish names; it stays the caller's, and stays. 0 or -ENOMEM. Any
 * thread. */
int check_init(struct check *check, const struct check_wish *wish) MUST_USE;
void check_destroy(struct check *check); /* ends one that is under way */

/* Begins one; none is under way. It may have its outcome at once. */
enum check_outcome check_begin(struct check *check) MUST_USE;

/* What poll(2) is to wait for. */
short check_events(const struct check *check);

/* It has happened, and there is no verdict yet. One system call or two, so that no server can keep
 * the thread busy. */
enum check_outcome check_go_on(struct check *check) MUST_USE;

/* After a verdict, at once and whenever what poll(2) was to wait for has happened: says what is
 * left to say, ends our side, and reads what still comes, so that the server sees an end and no
 * reset. Closes the socket when that is done, or cannot be. */
void check_part(struct check *check);

/* A verdict on what has come until now: CHECK_BAD, since so much time is up. */
enum check_outcome check_late(struct check *check, usec_t timeout) MUST_USE;

/* Closes the socket, if there is one. `why` stays. */
void check_end(struct check *check);

/* For types of checks: writes why, cutting what does not fit, and returns CHECK_BAD. */
enum check_outcome check_bad(struct check *check, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The same: these bytes, at most CHECK_REPLY_MAX, are sent next. What was to be sent before has
 * been. */
void check_say(struct check *check, const void *bytes, size_t n);

/* Whether some of them are still to be sent. */
bool check_has_words(const struct check *check);

#endif
