/* What is to be checked. */
#ifndef HEALTH_CHECK_WISH_H
#define HEALTH_CHECK_WISH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "config/config.h"
#include "wire/proxy_header.h"

/* What a target is and whom it tells: `checked` and `release` are needed. All pointers are the
 * caller's and stay until `release` is called. */
struct check_wish {
    const struct health_check_config *config;
    struct addr addr;
    const struct source_list *sources; /* dial from these, in turn, or NULL */
    enum proxy_version send_proxy; /* the check begins with a header that says LOCAL or UNKNOWN */
    /* its place in the interval is its own for ever; those of numbers in a row lie far apart */
    uint64_t number;
    bool soon; /* the first check does not wait for that place */
    /* A check has come to its outcome: good, or bad and why: a clause such as "connect: Connection
     * refused", "status 503, expected 200-399" or "no answer in 1s". Called by the checker's
     * thread, without a lock. */
    void (*checked)(void *arg, bool good, const char *why);
    /* Whether this machine has a way to the address: an errno as of route_error, or 0, of each
     * check that found out. NULL: nobody wants to know. */
    void (*cut_off)(void *arg, int error);
    void (*release)(void *arg); /* called once, last: by the checker's thread, or by health_free */
    void *arg;
};

#endif
