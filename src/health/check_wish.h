/* What is to be checked, and who is told. */
#ifndef HEALTH_CHECK_WISH_H
#define HEALTH_CHECK_WISH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "config/config.h"
#include "wire/proxy_header.h"

struct tls_client; /* tls/client.h */

/* `checked` and `release` are needed. All pointers are the caller's, and stay until `release`. */
struct check_wish {
    const struct health_check_config *config;
    struct addr addr;
    const struct source_list *sources; /* to dial from, in turn, or NULL */
    enum proxy_version send_proxy;     /* of a header that says LOCAL or UNKNOWN, sent first */
    struct tls_client *tls;            /* the server speaks TLS; NULL: it does not */
    const char *host;                  /* with tls: as in tls_client_open */
    bool strict; /* type http: an answer that mode http refuses is a bad one */
    /* gives its place in the interval, for ever; successive numbers lie far apart */
    uint64_t number;
    bool soon; /* the first check does not wait for its place */
    /* The outcome of a check; if bad, why, in a clause: "connect: Connection refused", "status 503,
     * expected 200-399", "no answer in 1s". Called by the checker's thread, without a lock. */
    void (*checked)(void *arg, bool good, const char *why);
    /* Whether this machine has a way to the address: 0, or errno as of route_error. By each check
     * that found out. NULL: not wanted. */
    void (*cut_off)(void *arg, int error);
    /* Whether checks are wanted now; if not, none is begun (health_look_again). By the checker's
     * thread. NULL: always. */
    bool (*wanted)(void *arg);
    void (*release)(void *arg); /* once, last: by the checker's thread, or health_free */
    void *arg;
};

#endif
