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
    int fd;                   /* -1: not open */
    char text[ADDR_TEXT_MAX]; /* where it listens, for messages */
    char *unlink_path;        /* a unix socket's file that this process made, or NULL; */
    struct socket_file file;  /* which file it is, as somebody else may have put another there, */
    struct socket_access access;     /* and who was given it */
    char passed_as[CONFIG_NAME_MAX]; /* its FileDescriptorName=, if systemd passed it; else "" */
    struct addr addr;                /* where it is bound, */
    /* at which interface, if addr has one by name (base/scope.h): its number then, */
    uint32_t interface;
    bool v6only;    /* and whether IPv4 is left to others, */
    bool stands_in; /* or stands in for an IPv6 that this machine does not have */
    bool shares;    /* at this moment: listen_socket_share */
    /* from a relayd before, and not yet in force: its path is not this process's to remove, */
    bool inherited;
    int index; /* and that is where the keeper has it */
    unsigned
        untuned; /* connections that waited in it when it was tuned: they lack what it has now */
};

/* What the next relayd must know of one that this one has bound itself. It lies in the table
 * (handover/table.h): no pointers. */
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

/* Binds a socket for a wish (not for those that systemd passes). shares: see listen_socket_share.
 * 0, or -errno with nothing open: -EEXIST if something that is no socket is at the path of a unix
 * socket. */
int listen_socket_open(struct listen_socket *ret_socket, const struct listen_wish *wish,
                       bool shares) MUST_USE;

/* Binds one to the same address, and makes it listen, after its interface was made anew. 0, or
 * -errno with nothing open. */
int listen_socket_again(struct listen_socket *ret_socket, const struct listen_socket *socket,
                        const struct listener_config *config) MUST_USE;

/* Whether it is what is asked for. */
bool listen_socket_meets(const struct listen_socket *socket, const struct listen_wish *wish);

/* Whether it keeps a wish from being met: both cannot be open at a time, unless they share. */
bool listen_socket_overlaps(const struct listen_socket *socket, const struct listen_wish *wish);

/* Whether its interface was made anew since it was bound: nobody reaches it. */
bool listen_socket_is_stale(const struct listen_socket *socket);

/* Makes it listen, with the listener's backlog and keepalive: after this the kernel accepts
 * connections on our behalf. 0 or -errno. */
int listen_socket_listen(const struct listen_socket *socket,
                         const struct listener_config *config) MUST_USE;

/* Whether sockets of this user can be bound to addresses that overlap with its own, if they want to
 * share, too. */
void listen_socket_share(struct listen_socket *socket, bool shares);

/* Connections that are established and not yet accepted; 0 for a unix socket. */
unsigned listen_socket_count_waiting(int fd);

/* Takes (and blanks) one that systemd passed: 0, or -EINVAL, closed, if it does not listen. */
int listen_socket_adopt(struct listen_socket *ret_socket, const struct listen_wish *wish,
                        struct passed_socket *passed) MUST_USE;

/* Takes (and blanks) one that a relayd before has bound, and that was held meanwhile. 0; or -errno,
 * closed, if it is not what its description says. */
int listen_socket_inherit(struct listen_socket *ret_socket, int *fd, int index,
                          const struct listen_description *description) MUST_USE;

/* What the next relayd must know of it, and of its listener. False: systemd passed it, and will
 * again. */
bool listen_socket_describe(const struct listen_socket *socket,
                            const struct listener_config *config,
                            struct listen_description *ret_description);

/* The file of a unix socket is not to be removed when it closes: the socket lives on elsewhere. */
void listen_socket_leave(struct listen_socket *socket);

/* Gives an open one the listener's backlog and keepalive. */
void listen_socket_tune(const struct listen_socket *socket, const struct listener_config *config);

/* Whether the file of a unix socket that this process, or one before, has bound is still there. */
bool listen_socket_has_file(const struct listen_socket *socket);

/* Takes it out of sight, before it is closed: whoever comes now finds another socket of this port,
 * or nobody. Who came before can still be accepted; a close alone would reset him. Not for one that
 * lives on elsewhere. */
void listen_socket_retire(struct listen_socket *socket);

/* Closes it and removes the file of a unix socket. Clients that wait in a backlog that nobody else
 * holds are reset by the kernel. May be called twice. */
void listen_socket_close(struct listen_socket *socket);

#endif
