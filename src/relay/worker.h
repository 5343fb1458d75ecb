/* A worker: takes an accepted connection from the queue, dials its upstream, and hands both sockets
 * to a pump pair. */
#ifndef RELAY_WORKER_H
#define RELAY_WORKER_H

#include "relay/relay.h"

struct worker {
    struct relay *relay;
    struct thread thread;
};

/* 0 or -errno. Ends when the queue is closed and empty. */
int worker_start(struct worker *worker, struct relay *relay, size_t number) MUST_USE;

#endif
