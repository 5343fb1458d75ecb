/* An acceptor: one thread for one listening socket, from the kernel's backlog into the work queue.
 */
#ifndef RELAY_ACCEPTOR_H
#define RELAY_ACCEPTOR_H

#include "relay/relay.h"

struct acceptor {
    struct relay *relay;
    struct listener *listener;
    struct listen_socket *socket;
    struct thread thread;
    struct lock lock; /* only to wait with, after an error */
    struct cond stop;
};

/* 0 or -errno. */
int acceptor_start(struct acceptor *acceptor, struct relay *relay, struct listener *listener,
                   struct listen_socket *socket) MUST_USE;

/* Ends the thread. relay->stop_accept is set, the gate closed and the queue unbound already.
 * Nothing to do if it was never started. */
void acceptor_stop(struct acceptor *acceptor);

#endif
