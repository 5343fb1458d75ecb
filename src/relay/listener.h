/* A listener: its listening sockets, and what its connections need to know. */
#ifndef RELAY_LISTENER_H
#define RELAY_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "relay/conn.h"
#include "upstream/upstream.h"

struct listen_socket {
    int fd;                   /* -1: not open */
    char text[ADDR_TEXT_MAX]; /* where it listens, for messages */
    char *unlink_path;        /* a unix socket's file that this process made, or NULL */
};

struct listener {
    const struct listener_config *config;
    struct upstream *upstream;
    struct conn_options options;
    struct listen_socket *sockets;
    size_t n_sockets;
};

/* A socket that systemd passed, and its FileDescriptorName=. */
struct passed_socket {
    int fd; /* -1: taken by a listener */
    const char *name;
};

/* Opens and binds all sockets of a listener, but for `systemd` addresses, which take (and blank)
 * the passed sockets of the listener's name. config is asked whether "[::]:port" must leave IPv4
 * alone because some listener names an IPv4 address with that port. 0; or -errno with *ret_what set
 * to a finished sentence that says which address and what to do (the caller frees it; NULL: no
 * memory). Whatever was opened stays in the listener: listener_close it. */
int listener_open(struct listener *listener, const struct config *config,
                  struct passed_socket *passed, size_t n_passed, char **ret_what) MUST_USE;

/* Closes the sockets and removes the files of unix sockets. Clients that wait in a backlog of a
 * socket that nobody else holds are reset by the kernel. No acceptor may use it. May be called
 * twice. */
void listener_close(struct listener *listener);

#endif
