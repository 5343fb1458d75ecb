/* The checker: one thread that asks servers whether they live.
 *
 * It knows targets (an address and how to check it), nothing of upstreams, nor what a check is worth. Checks are spread over the interval, run
 * side by side (non-blocking sockets and poll(2), in this one thread), and none delays another. */
#ifndef HEALTH_HEALTH_H
#define HEALTH_HEALTH_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/check.h"
#include "config/config.h"
#include "wire/proxy_protocol.h"

struct health;
struct health_target;

/* What a target is and whom it tells: `checked` and `release` are needed. All pointers are the caller's and stay until
 * `release` is called. */
struct health_wish {
    const struct health_check_config *config;
    struct addr addr;
    const struct source_list *sources; /* dial from these, in turn, or NULL */
    enum proxy_version send_proxy; /* the check begins with a header that says LOCAL or UNKNOWN */
    uint64_t
        number; /* its place in the interval is its own for ever; those of numbers in a row lie far apart */
    bool soon; /* the first check does not wait for that place */
    /* A check has come to its outcome: good, or bad and why: a clause such as "connect: Connection refused", "status
     * 503, expected 200-399" or "no answer in 1s". Called by the checker's thread, without a lock. */
    void (*checked)(void *arg, bool good, const char *why);
    /* Whether this machine has a way to the address: an errno as of route_error, or 0, of each check that found out.
     * NULL: nobody wants to know. */
    void (*cut_off)(void *arg, int error);
    void (*release)(void *arg); /* called once, last: by the checker's thread, or by health_free */
    void *arg;
};

/* NULL: no memory. */
struct health *health_new(void);

/* Ends the thread at once and frees all, targets included. NULL is fine. */
void health_free(struct health *health);

/* Starts the thread: 0 or -errno. Once. It begins with checks at health_begin. */
int health_start(struct health *health) MUST_USE;

/* Adds a target, before or after the start (but not while health_start runs). NULL: no memory, and release is not
 * called. Any thread. */
struct health_target *health_add(struct health *health, const struct health_wish *wish) MUST_USE;

/* Removes it. Its callbacks may still be running or about to; the last is release. Any thread, no leaf lock held. */
void health_remove(struct health *health, struct health_target *target);

/* From now on targets are checked; before that the thread only waits. Any thread. */
void health_begin(struct health *health);

/* Ends the thread at once; targets stay, for health_free. Once more, or without a start, it does nothing. */
void health_stop(struct health *health);

/* No check is begun and none is told of any more, for instance because a newer configuration is in force. Does not
 * wait: one may be on its way to be told at this moment. Any thread. */
void health_retire(struct health *health);

#endif
