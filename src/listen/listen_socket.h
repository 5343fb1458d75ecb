/* Listening sockets. */
#ifndef LISTEN_LISTEN_SOCKET_H
#define LISTEN_LISTEN_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/socket_file.h"
#include "config/config.h"
#include "listen/listen_wish.h"

struct listen_socket {
    int fd;                          /* -1: not open */
    char text[ADDR_TEXT_MAX];        /* where it listens, for messages */
    char *unlink_path;               /* file of a unix socket, made by this process; or NULL; */
    struct socket_file file;         /* which it is: somebody may have put another there, */
    struct socket_access access;     /* and to whom it was given */
    char passed_as[CONFIG_NAME_MAX]; /* its FileDescriptorName=, if systemd passed it; else "" */
    struct addr addr;                /* where it is bound, */
    /* if by an interface's name (base/scope.h), its number then, */
    uint32_t interface;
    bool v6only;    /* and whether IPv4 is left to others, */
    bool stands_in; /* or stands in for an IPv6 that this machine does not have */
    bool shares;    /* now, see listen_socket_share */
    /* from a previous relayd and not yet in force: its file is not ours, */
    bool inherited;
    int index;        /* and the keeper has it under this index */
    unsigned untuned; /* connections that waited in it when it was tuned: they lack that */
};

/* What the next relayd must know of one that this one bound. In the table (handover/table.h): no
 * pointers. */
struct listen_description {
    bool used, v6only, stands_in, unlinks; /* as in struct listen_socket */
    struct addr addr;
    struct socket_access access;
    struct socket_file file;        /* of a unix socket that unlinks */
    char listener[CONFIG_NAME_MAX]; /* whose it is */
};

/* A socket that systemd passed, and its FileDescriptorName=. */
struct passed_socket {
    int fd; /* -1: taken by a listener */
    const char *name;
};

/* Binds a socket for a wish; not for one that systemd passes. shares: see listen_socket_share. 0,
 * or -errno with nothing open; -EEXIST: at the path of a unix socket is something else. */
int listen_socket_open(struct listen_socket *ret_socket, const struct listen_wish *wish,
                       bool shares) MUST_USE;

/* Binds one to the same address and makes it listen, after its interface was made anew. 0, or
 * -errno with nothing open. */
int listen_socket_again(struct listen_socket *ret_socket, const struct listen_socket *socket,
                        const struct listener_config *config) MUST_USE;

/* Where it is bound, as the kernel takes it: another process does not know names of here. */
struct addr listen_socket_addr(const struct listen_socket *socket);

/* Whether it is what the wish asks for. */
bool listen_socket_meets(const struct listen_socket *socket, const struct listen_wish *wish);

/* Whether it is in the way of a wish: both can be open only if they share. */
bool listen_socket_overlaps(const struct listen_socket *socket, const struct listen_wish *wish);

/* Whether its interface was made anew since: nobody reaches it. */
bool listen_socket_is_stale(const struct listen_socket *socket);

/* Makes it listen, with the listener's backlog and keepalive: from now on the kernel accepts
 * connections. 0 or -errno. */
int listen_socket_listen(const struct listen_socket *socket,
                         const struct listener_config *config) MUST_USE;

/* Whether other sockets of this user may bind to overlapping addresses, if they share, too. */
void listen_socket_share(struct listen_socket *socket, bool shares);

/* Connections established and not yet accepted; 0 for a unix socket. */
unsigned listen_socket_count_waiting(int fd);

/* Takes (and blanks) one that systemd passed. 0, or -EINVAL, closed: it does not listen. */
int listen_socket_adopt(struct listen_socket *ret_socket, const struct listen_wish *wish,
                        struct passed_socket *passed) MUST_USE;

/* Takes (and blanks) one that a previous relayd bound and the keeper held. 0, or -errno, closed: it
 * is not as described. */
int listen_socket_inherit(struct listen_socket *ret_socket, int *fd, int index,
                          const struct listen_description *description) MUST_USE;

/* Describes it and its listener for the next relayd. False: systemd passed it, and will again. */
bool listen_socket_describe(const struct listen_socket *socket,
                            const struct listener_config *config,
                            struct listen_description *ret_description);

/* Leaves the file of a unix socket in place at the close: the socket lives on elsewhere. */
void listen_socket_leave(struct listen_socket *socket);

/* Gives an open one the listener's backlog and keepalive. */
void listen_socket_tune(const struct listen_socket *socket, const struct listener_config *config);

/* Whether the file of a unix socket, bound by this or a previous process, is still there. */
bool listen_socket_has_file(const struct listen_socket *socket);

/* Takes it out of sight before the close: whoever comes now finds another socket of this port, or
 * none, and who came before can still be accepted; a close alone would reset them. Not for one that
 * lives on elsewhere. */
void listen_socket_retire(struct listen_socket *socket);

/* Closes it and removes the file of a unix socket. The kernel resets clients in a backlog that
 * nobody else holds. May be called twice. */
void listen_socket_close(struct listen_socket *socket);

#endif
