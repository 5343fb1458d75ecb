/* The road from accept to close, as one object: what its threads share. */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/thread.h"
#include "config/config.h"
#include "relay/gate.h"
#include "relay/listener.h"
#include "relay/pipe_pool.h"
#include "relay/pump_pool.h"
#include "relay/queue.h"
#include "relay/reaper.h"
#include "relay/registry.h"
#include "upstream/upstream.h"

struct acceptor;
struct worker;

struct relay {
    struct config *config; /* a reference */
    struct listener *listeners;
    size_t n_listeners;
    struct gate gate;    /* connections, from accept to close */
    struct gate refused; /* refused clients that still read */
    struct queue queue;
    struct registry registry;
    struct pipe_pool pipes;
    struct pump_pool pumps;
    struct reaper reaper;
    struct acceptor *acceptors; /* one for each listening socket */
    size_t n_acceptors;
    struct worker *workers;
    size_t n_workers;
    _Atomic uint64_t accepted; /* numbers the connections */
    _Atomic bool stop_accept;  /* acceptors end */
    _Atomic bool stop_now;     /* nothing is dialled any more */
};

/* What the system allows (see daemon/limits.h). */
struct relay_limits {
    size_t max_connections;
    size_t
        max_refused; /* refused clients that may be reading their answer; others are not waited for */
    size_t max_pipes;
};

/* Makes the road; no thread runs and no socket is open yet. on_empty is called, by any thread, once
 * the relay drains and its last connection has ended. NULL: no memory. Free it with relay_free. */
struct relay *relay_new(struct config *config, struct upstreams *upstreams,
                        const struct relay_limits *limits, void (*on_empty)(void *arg), void *arg);

/* Opens all listening sockets; as listener_open. */
int relay_listen(struct relay *relay, struct passed_socket *passed, size_t n_passed,
                 char **ret_what) MUST_USE;

/* Starts the threads, workers first, acceptors last. 0 or -errno; after a failure, relay_free. */
int relay_start(struct relay *relay) MUST_USE;

/* Takes no more connections: the acceptors end, the listening sockets close. Returns how many
 * connections there are; if any, on_empty will be called. */
size_t relay_drain(struct relay *relay);

/* Ends what is left at once, by resets (STAT_cut_at_stop counts them), then all threads, and frees all. After
 * relay_drain, or if relay_start failed or was never called. */
void relay_free(struct relay *relay);

#endif
