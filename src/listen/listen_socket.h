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
    char *unlink_path;               /* a unix socket's, made by this process; or NULL; */
    struct socket_file file;         /* which it is: another may be there now, */
    struct socket_access access;     /* and whose */
    char passed_as[CONFIG_NAME_MAX]; /* its FileDescriptorName=, if systemd passed it; else "" */
    struct addr addr;                /* where it is bound, */
    /* the interface's number then, if by its name (base/scope.h), */
    uint32_t interface;
    bool v6only;    /* IPv4 is left to others, */
    bool stands_in; /* for an IPv6 that this machine lacks */
    bool shares;    /* now, see listen_socket_share */
    /* from a previous relayd, not yet in force: its file is not ours, */
    bool inherited;
    int index;        /* and the keeper has it under this index */
    unsigned untuned; /* connections that waited when it was tuned: they lack that */
};

/* One that this relayd bound, for the next. In the table (handover/table.h): no pointers. */
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

/* Binds one; not if systemd passes it. shares: see listen_socket_share. 0, or -errno with nothing
 * open; -EEXIST: something else is at a unix socket's path. */
int listen_socket_open(struct listen_socket *ret_socket, const struct listen_wish *wish,
                       bool shares) MUST_USE;

/* Binds one to the same address and listens, after its interface was made anew. 0, or -errno with
 * nothing open. */
int listen_socket_again(struct listen_socket *ret_socket, const struct listen_socket *socket,
                        const struct listener_config *config) MUST_USE;

/* Where it is bound, as the kernel takes it: another process does not know names of here. */
struct addr listen_socket_addr(const struct listen_socket *socket);

/* Whether it is what the wish asks for. */
bool listen_socket_meets(const struct listen_socket *socket, const struct listen_wish *wish);

/* Whether both can be open only if they share. */
bool listen_socket_overlaps(const struct listen_socket *socket, const struct listen_wish *wish);

/* Whether its interface was made anew since: nobody reaches it. */
bool listen_socket_is_stale(const struct listen_socket *socket);

/* Makes it listen, with the listener's backlog and keepalive. 0 or -errno. */
int listen_socket_listen(const struct listen_socket *socket,
                         const struct listener_config *config) MUST_USE;

/* Whether this user's sockets that share, too, may bind to overlapping addresses. */
void listen_socket_share(struct listen_socket *socket, bool shares);

/* Connections established and not yet accepted; 0 for a unix socket. */
unsigned listen_socket_count_waiting(int fd);

/* Takes (and blanks) one that systemd passed. 0, or -EINVAL, closed: it does not listen. */
int listen_socket_adopt(struct listen_socket *ret_socket, const struct listen_wish *wish,
                        struct passed_socket *passed) MUST_USE;

/* Takes (and blanks) one that the keeper held. 0, or -errno, closed: it is not as described. */
int listen_socket_inherit(struct listen_socket *ret_socket, int *fd, int index,
                          const struct listen_description *description) MUST_USE;

/* Describes it for the next relayd. False: systemd passed it, and will again. */
bool listen_socket_describe(const struct listen_socket *socket,
                            const struct listener_config *config,
                            struct listen_description *ret_description);

/* The close leaves a unix socket's file: the socket lives on elsewhere. */
void listen_socket_leave(struct listen_socket *socket);

/* Gives an open one the listener's backlog and keepalive. */
void listen_socket_tune(const struct listen_socket *socket, const struct listener_config *config);

/* Whether a unix socket's file, of this or a previous process, is still there. */
bool listen_socket_has_file(const struct listen_socket *socket);

/* Before the close: who comes now finds another socket of this port, or none; who came before can
 * still be accepted, where a close would reset them. Not for one that lives on elsewhere. */
void listen_socket_retire(struct listen_socket *socket);

/* Closes it and removes a unix socket's file. The kernel resets clients in a backlog that nobody
 * else holds. May be called twice. */
void listen_socket_close(struct listen_socket *socket);

#endif
