/* One check of one server: from the connect to a verdict, and on to an end in good order, on a socket that never blocks. The
 * checker's thread polls it, and ends it when its time is up. What differs between types of checks is in struct
 * check_ops.
 *
 * All of it is the checker's thread's, but for check_init. */
#ifndef UPSTREAM_CHECK_H
#define UPSTREAM_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "upstream/health.h"
#include "upstream/http_head.h"

#define CHECK_WHY_MAX   160
#define CHECK_REPLY_MAX 256
#define CHECK_DRAIN_MAX                                                                            \
    (256 *                                                                                         \
     1024) /* bytes that are read and dropped after the verdict, so that no reset meets them */

enum check_outcome {
    CHECK_UNDER_WAY,
    CHECK_GOOD,
    CHECK_BAD, /* `why` says why, in a clause without any byte of the server's */
    CHECK_VOID, /* it says nothing of the server: descriptors, memory or ports of this machine ran out */
    CHECK_CUT_OFF, /* nor does this: this machine has no way to its address, see `error` */
};

struct check;

/* A type of check. */
struct check_ops {
    /* Writes what is sent once connected, as snprintf(3) does: at most size bytes, and returns how many it would be
     * without the NUL. NULL: nothing. */
    size_t (*request)(const struct health_wish *wish, char *buf, size_t size);
    /* Looks at the next n bytes of the answer, in whatever split they come. It may call check_say, before a verdict or
     * with it. NULL: none is waited for, and the check is good once all is sent. */
    enum check_outcome (*answer)(struct check *check, const char *bytes, size_t n);
};

extern const struct check_ops check_tcp_ops, check_http_ops;

enum check_stage {
    CHECK_CONNECTS,
    CHECK_SAYS,    /* what it has to say */
    CHECK_LISTENS, /* for an answer */
    CHECK_PARTS,   /* there was a verdict */
};

struct check {
    const struct health_wish *wish;
    const struct check_ops *ops;
    char *request; /* the same each time: a PROXY header, then what ops asks */
    size_t request_length;
    /* Of the check under way: */
    int fd; /* -1: none is */
    enum check_stage stage;
    const char *words; /* the request, or the reply: */
    size_t words_length, said;
    char reply[CHECK_REPLY_MAX];
    bool heard; /* something has come */
    bool
        stays; /* our side is not ended before the server's, which may take us for gone; set by its type */
    bool shut; /* our side has ended */
    size_t
        left; /* once it parts: bytes that may still come until it is enough, or the answer is whole */
    union {
        struct http_head http;
    } talk; /* what its type knows; zeroed at the beginning */
    char why[CHECK_WHY_MAX];
    int error; /* of CHECK_CUT_OFF: route_error */
};

/* Prepares checks of what the wish names; it stays the caller's, and stays. 0 or -ENOMEM. Any thread. */
int check_init(struct check *check, const struct health_wish *wish) MUST_USE;
void check_destroy(struct check *check); /* ends one that is under way */

/* Begins one; none is under way. It may have its outcome at once. */
enum check_outcome check_begin(struct check *check) MUST_USE;

/* What poll(2) is to wait for. */
short check_events(const struct check *check);

/* It has happened, and there is no verdict yet. One system call or two, so that no server can keep the thread busy. */
enum check_outcome check_go_on(struct check *check) MUST_USE;

/* After a verdict, at once and whenever what poll(2) was to wait for has happened: says what is left to say, ends our side,
 * and reads what still comes, so that the server sees an end and no reset. Closes the socket when that is done, or cannot
 * be. */
void check_part(struct check *check);

/* Closes the socket, if there is one. `why` stays. */
void check_end(struct check *check);

/* For types of checks: writes why, cutting what does not fit, and returns CHECK_BAD. */
enum check_outcome check_bad(struct check *check, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The same: these bytes, at most CHECK_REPLY_MAX, are sent next. What was to be sent before has been. */
void check_say(struct check *check, const void *bytes, size_t n);

#endif
