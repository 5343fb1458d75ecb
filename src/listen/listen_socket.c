#include "listen/listen_socket.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/interface.h"
#include "base/scope.h"
#include "base/sockopt.h"

bool listen_socket_has_file(const struct listen_socket *socket) {
    return socket->unlink_path != NULL && socket_file_is_at(socket->unlink_path, &socket->file);
}

static int bind_unix(struct listen_socket *sock, const struct socket_access *access) {
    char *path = strdup(sock->addr.u.un.sun_path);
    struct stat st;

    if (path == NULL)
        return -ENOMEM;
    socket_file_remove_stale(&sock->addr, SOCK_STREAM);
    int r = socket_file_bind(sock->fd, &sock->addr, access, &sock->file);
    if (r == -EADDRINUSE && lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        r = -EEXIST;
    if (r < 0) {
        free(path);
        return r;
    }
    sock->unlink_path = path;
    sock->access = *access;
    return 0;
}

/* ip(7), IP_FREEBIND; the same of IPv6 since Linux 4.15. */
static int allow_any_address(int fd, int family) {
    int on = 1;

    return family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on))
                              : setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
}

static int bind_tcp(struct listen_socket *sock, bool freebind) {
    const struct addr *addr = &sock->addr;
    int on = 1, only = sock->v6only;

    if (freebind && allow_any_address(sock->fd, addr->u.sa.sa_family) < 0)
        return -errno;
    (void)setsockopt(sock->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (addr->u.sa.sa_family == AF_INET6 &&
        setsockopt(sock->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0)
        return -errno;
    struct addr resolved;
    int r = scope_resolve(addr, &resolved);
    if (r < 0)
        return r;
    if (scope_name(addr) != NULL)
        sock->interface = resolved.u.in6.sin6_scope_id;
    return bind(sock->fd, &resolved.u.sa, resolved.len) < 0 ? -errno : 0;
}

/* Whoever is let into the folder may look. */
static const struct socket_access status_access = {
    .mode = 0666, .uid = SOCKET_FILE_OWN, .gid = SOCKET_FILE_OWN};

/* listener: NULL: the status section. */
static int open_at(struct listen_socket *ret_socket, const struct addr *addr,
                   const struct listener_config *listener, bool v6only, bool shares) {
    struct listen_socket sock = {.addr = *addr, .v6only = v6only};

    addr_format(addr, sock.text, sizeof(sock.text));
    sock.fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock.fd < 0)
        return -errno;
    if (shares)
        listen_socket_share(&sock, true);
    int r = addr_is_unix(addr)
                ? bind_unix(&sock, listener != NULL ? &listener->socket_access : &status_access)
                : bind_tcp(&sock, listener != NULL && listener->ip_freebind);
    if (r < 0)
        listen_socket_close(&sock);
    else
        *ret_socket = sock;
    return r;
}

int listen_socket_open(struct listen_socket *ret_socket, const struct listen_wish *wish,
                       bool shares) {
    int r = open_at(ret_socket, &wish->addr, wish->listener, wish->v6only, shares);

    if (!wish->any || (r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL))
        return r;
    struct addr in = listen_wish_fallback(wish);
    r = open_at(ret_socket, &in, wish->listener, false, shares);
    if (r == 0)
        ret_socket->stands_in = true;
    return r;
}

int listen_socket_listen(const struct listen_socket *socket, const struct listener_config *config) {
    sockopt_set_client(socket->fd, config->keepalive);
    return listen(socket->fd, (int)config->backlog) < 0 ? -errno : 0;
}

int listen_socket_again(struct listen_socket *ret_socket, const struct listen_socket *socket,
                        const struct listener_config *config) {
    struct listen_socket again;
    int r = open_at(&again, &socket->addr, config, socket->v6only, false);

    if (r < 0)
        return r;
    r = listen_socket_listen(&again, config);
    if (r < 0)
        listen_socket_close(&again);
    else
        *ret_socket = again;
    return r;
}

bool listen_socket_is_stale(const struct listen_socket *socket) {
    const char *name = scope_name(&socket->addr);
    uint32_t index = name != NULL ? interface_index(name) : 0;

    return index != 0 && index != socket->interface;
}

/* SO_REUSEPORT counts as both sockets have it at the moment of the bind and of the listen
 * (socket(7)). */
void listen_socket_share(struct listen_socket *socket, bool shares) {
    int on = shares;

    socket->shares = shares;
    (void)setsockopt(socket->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

/* Of a listening socket tcpi_unacked is that (tcp_diag). */
unsigned listen_socket_count_waiting(int fd) {
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_unacked : 0;
}

static void get_address(struct listen_socket *sock) {
    int only = 0;
    socklen_t size = sizeof(only);

    sock->addr.len = sizeof(sock->addr.u);
    if (getsockname(sock->fd, &sock->addr.u.sa, &sock->addr.len) < 0)
        sock->addr.len = 0;
    addr_format(&sock->addr, sock->text, sizeof(sock->text));
    sock->v6only = getsockopt(sock->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &size) == 0 && only != 0;
}

bool listen_socket_meets(const struct listen_socket *socket, const struct listen_wish *wish) {
    if (wish->systemd)
        return strcmp(socket->passed_as, wish->listener->name) == 0;
    if (socket->passed_as[0] != '\0')
        return false;
    if (addr_equal(&wish->addr, &socket->addr))
        return wish->v6only == socket->v6only || wish->addr.u.sa.sa_family != AF_INET6 ||
               !addr_is_any(&wish->addr);
    if (!wish->any || !socket->stands_in)
        return false;
    struct addr in = listen_wish_fallback(wish);
    return addr_equal(&in, &socket->addr);
}

bool listen_socket_overlaps(const struct listen_socket *socket, const struct listen_wish *wish) {
    return !wish->systemd && !addr_is_unix(&wish->addr) &&
           addr_overlaps(&wish->addr, wish->v6only, &socket->addr, socket->v6only);
}

/* Two states of a passed socket would hang or break an acceptor: not listening, and not
 * blocking. */
int listen_socket_adopt(struct listen_socket *ret_socket, const struct listen_wish *wish,
                        struct passed_socket *passed) {
    struct listen_socket sock = {.fd = fd_take(&passed->fd)};
    int blocking = 0; /* FIONBIO, ioctl_tty(2): 0 is blocking */

    snprintf(sock.passed_as, sizeof(sock.passed_as), "%s", wish->listener->name);
    get_address(&sock);
    if (!fd_listens(sock.fd)) {
        fd_close(&sock.fd);
        return -EINVAL;
    }
    (void)ioctl(sock.fd, FIONBIO, &blocking);
    sockopt_set_client(sock.fd, wish->listener->keepalive);
    sock.untuned = listen_socket_count_waiting(sock.fd);
    *ret_socket = sock;
    return 0;
}

/* A second listen(2) only sets the backlog; that of a passed socket is its unit's. */
void listen_socket_tune(const struct listen_socket *socket, const struct listener_config *config) {
    sockopt_set_client(socket->fd, config->keepalive);
    if (socket->passed_as[0] == '\0')
        (void)listen(socket->fd, (int)config->backlog);
}

static void remove_file(struct listen_socket *socket) {
    if (!socket->inherited && listen_socket_has_file(socket))
        (void)unlink(socket->unlink_path);
    listen_socket_leave(socket);
}

/* A TCP socket goes out of sight by being bound to an interface that does not exist. A lookup for a
 * new connection passes it by then; a handshake that is under way knows its listening socket
 * already, and goes on to its backlog. Linux 5.7 lets everybody do so, once (socket(7),
 * SO_BINDTODEVICE). Where it is forbidden, and for link-local addresses, which have an interface,
 * those who come at the very end are reset. */
void listen_socket_retire(struct listen_socket *socket) {
    int nowhere = INT_MAX;

    if (addr_is_unix(&socket->addr))
        remove_file(socket);
    else
        (void)setsockopt(socket->fd, SOL_SOCKET, SO_BINDTOIFINDEX, &nowhere, sizeof(nowhere));
}

void listen_socket_close(struct listen_socket *socket) {
    remove_file(socket); /* before the close: after it the path may be a successor's */
    fd_close(&socket->fd);
}
