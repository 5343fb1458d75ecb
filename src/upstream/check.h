/* One check of one server, from connect to verdict: a non-blocking socket that the checker polls. */
#ifndef UPSTREAM_CHECK_H
#define UPSTREAM_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/proxy_protocol.h"
#include "config/config.h"

#define CHECK_WHY_MAX 160
#define CHECK_REQUEST_MAX                                                                          \
    1536 /* path and host are at most some hundred bytes each (config/texts.c) */
#define CHECK_ANSWER_MAX 512 /* of a status line; what is longer is no good answer */

enum check_state {
    CHECK_GOES_ON,
    CHECK_GOOD,
    CHECK_BAD,     /* why says why */
    CHECK_NOTHING, /* it could not be made, by no fault of the server's */
};

/* What is asked, and how. The strings are the configuration's. */
struct check_wish {
    const struct health_check_config *config;
    struct addr addr;
    const struct addr *source; /* dial from there; NULL: the kernel's choice */
    enum proxy_version send_proxy;
};

struct check {
    int fd; /* -1: none is under way */
    bool connected;
    char request[CHECK_REQUEST_MAX];
    size_t n_request, sent;
    char answer[CHECK_ANSWER_MAX];
    size_t n_answer;
    char why[CHECK_WHY_MAX];
};

/* A type of check: what it sends once it is connected (returns the length), and what it makes of the answer so far.
 * ended: no more will come. Both are pure but for what they are given. */
struct check_type_ops {
    size_t (*request)(const struct check_wish *wish, char *buf, size_t size);
    enum check_state (*judge)(const struct check_wish *wish, const char *answer, size_t n,
                              bool ended, char *why, size_t size);
};
extern const struct check_type_ops check_tcp_ops, check_http_ops;

/* Begins it. */
enum check_state check_begin(struct check *check, const struct check_wish *wish);

/* What poll(2) is to wait for. */
short check_events(const struct check *check);

/* Something of that has happened. */
enum check_state check_go_on(struct check *check, const struct check_wish *wish);

/* Gives up, or tidies up after the verdict. */
void check_end(struct check *check);

#endif
