/* Listening sockets that outlive the process which has bound them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/scope.h"
#include "listen/listen_socket.h"

/* Or somebody has removed it meanwhile, or put another one there: then nobody reaches the
 * socket. */
static bool has_its_file(const struct listen_description *description, const struct addr *bound) {
    return !description->unlinks ||
           (addr_is_unix(bound) && socket_file_is_at(bound->u.un.sun_path, &description->file));
}

int listen_socket_inherit(struct listen_socket *ret_socket, int *fd, int index,
                          const struct listen_description *description) {
    struct listen_socket sock = {.fd = fd_take(fd),
                                 .addr = description->addr,
                                 .v6only = description->v6only,
                                 .stands_in = description->stands_in,
                                 .access = description->access,
                                 .file = description->file,
                                 .inherited = true,
                                 .index = index};
    struct addr bound = {.len = sizeof(bound.u)};

    if (!fd_listens(sock.fd) || getsockname(sock.fd, &bound.u.sa, &bound.len) < 0 ||
        !addr_equal(&bound, &sock.addr) || !has_its_file(description, &bound)) {
        fd_close(&sock.fd);
        return -EINVAL;
    }
    sock.addr = scope_recall(&description->addr);
    if (scope_name(&sock.addr) != NULL)
        sock.interface = description->addr.u.in6.sin6_scope_id;
    addr_format(&sock.addr, sock.text, sizeof(sock.text));
    if (description->unlinks && (sock.unlink_path = strdup(bound.u.un.sun_path)) == NULL) {
        fd_close(&sock.fd);
        return -ENOMEM;
    }
    *ret_socket = sock;
    return 0;
}

struct addr listen_socket_addr(const struct listen_socket *socket) {
    struct addr addr = socket->addr;

    if (socket->interface != 0)
        addr.u.in6.sin6_scope_id = socket->interface;
    return addr;
}

bool listen_socket_describe(const struct listen_socket *socket,
                            const struct listener_config *config,
                            struct listen_description *ret_description) {
    if (socket->passed_as[0] != '\0')
        return false;
    *ret_description = (struct listen_description){.addr = listen_socket_addr(socket),
                                                   .v6only = socket->v6only,
                                                   .stands_in = socket->stands_in,
                                                   .unlinks = socket->unlink_path != NULL,
                                                   .access = socket->access,
                                                   .file = socket->file};
    snprintf(ret_description->listener, sizeof(ret_description->listener), "%s", config->name);
    return true;
}

void listen_socket_leave(struct listen_socket *socket) {
    free(socket->unlink_path);
    socket->unlink_path = NULL;
}
