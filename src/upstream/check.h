/* One check of one server: from the connect to a verdict, on a socket that never blocks. The checker's thread polls
 * it, and ends it when its time is up. What differs between types of checks is in struct check_ops.
 *
 * All of it is the checker's thread's, but for check_init. */
#ifndef UPSTREAM_CHECK_H
#define UPSTREAM_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "upstream/health.h"
#include "upstream/status_line.h"

#define CHECK_WHY_MAX 160

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
    /* Looks at the next n bytes of the answer, in whatever split they come. NULL: none is waited for, and the check
     * is good once all is sent. */
    enum check_outcome (*answer)(struct check *check, const char *bytes, size_t n);
};

extern const struct check_ops check_tcp_ops, check_http_ops;

struct check {
    const struct health_wish *wish;
    const struct check_ops *ops;
    char *request; /* the same each time: a PROXY header, then what ops asks */
    size_t request_length;
    /* Of the check under way: */
    int fd; /* -1: none is */
    bool connected;
    size_t sent;
    struct status_line line; /* of type http */
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

/* It has happened. One system call or two, so that no server can keep the thread busy. */
enum check_outcome check_go_on(struct check *check) MUST_USE;

/* Closes the socket, if there is one. `why` stays. */
void check_end(struct check *check);

/* Writes why, cutting what does not fit, and returns CHECK_BAD. */
enum check_outcome check_bad(struct check *check, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
