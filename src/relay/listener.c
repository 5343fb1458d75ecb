#include "relay/listener.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"
#include "relay/tune.h"

static struct listen_socket *add_socket(struct listener *listener) {
    struct listen_socket *grown =
        realloc(listener->sockets, (listener->n_sockets + 1) * sizeof(*grown));

    if (grown == NULL)
        return NULL;
    listener->sockets = grown;
    grown[listener->n_sockets] = (struct listen_socket){.fd = -1};
    return &grown[listener->n_sockets++];
}

/* "[::]:80" takes IPv4 as well, unless an IPv4 address with the same port is asked for somewhere.
 */
static bool ipv4_wanted_apart(const struct config *config, unsigned port) {
    for (size_t i = 0; i < config->n_listeners; i++) {
        const struct listener_config *other = &config->listeners[i];

        for (size_t j = 0; j < other->n_address; j++) {
            const struct addr_spec *spec = &other->address[j].spec;

            if (!other->address[j].systemd && spec->form == ADDR_LITERAL && spec->port == port &&
                spec->addr.u.sa.sa_family == AF_INET)
                return true;
        }
    }
    return false;
}

/* A file left behind by a process that is gone is removed; one that somebody answers at is not. */
static void remove_stale(const struct addr *addr) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 1}; /* with a full backlog, somebody is there */
    struct stat st;

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
        stat(addr->u.un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
        connect(fd, &addr->u.sa, addr->len) < 0 && errno == ECONNREFUSED)
        (void)unlink(addr->u.un.sun_path);
    fd_close(&fd);
}

static int bind_socket(struct listen_socket *sock, const struct addr *addr, bool v6only) {
    int on = 1, only = v6only;

    if (addr_is_unix(addr))
        remove_stale(addr);
    else
        (void)setsockopt(sock->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (addr->u.sa.sa_family == AF_INET6 &&
        setsockopt(sock->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0)
        return -errno;
    if (bind(sock->fd, &addr->u.sa, addr->len) < 0)
        return -errno;
    if (addr_is_unix(addr)) {
        sock->unlink_path = strdup(addr->u.un.sun_path);
        if (sock->unlink_path == NULL)
            return -ENOMEM;
        /* Who may connect is the directory's business: relayd's own umask would lock everybody out.
         */
        if (chmod(addr->u.un.sun_path, 0666) < 0)
            return -errno;
    }
    return 0;
}

/* After this the kernel accepts connections on our behalf. */
static int begin_listening(struct listener *listener, struct listen_socket *sock) {
    tune_socket(sock->fd, listener->config->keepalive);
    return listen(sock->fd, (int)listener->config->backlog) < 0 ? -errno : 0;
}

static int open_one(struct listener *listener, const struct addr *addr, bool v6only) {
    struct listen_socket *sock = add_socket(listener);

    if (sock == NULL)
        return -ENOMEM;
    addr_format(addr, sock->text, sizeof(sock->text));
    sock->fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock->fd < 0)
        return -errno;
    int r = bind_socket(sock, addr, v6only);
    return r < 0 ? r : begin_listening(listener, sock);
}

static struct addr any_address(int family, unsigned port) {
    struct addr addr = {0};

    addr.u.sa.sa_family = (sa_family_t)family;
    if (family == AF_INET6) {
        addr.len = sizeof(addr.u.in6);
        addr.u.in6.sin6_port = htons((uint16_t)port);
    } else {
        addr.len = sizeof(addr.u.in);
        addr.u.in.sin_port = htons((uint16_t)port);
    }
    return addr;
}

/* ":80": one socket for both families; on a machine without IPv6, one for IPv4. */
static int open_any(struct listener *listener, const struct config *config, unsigned port) {
    struct addr in6 = any_address(AF_INET6, port), in = any_address(AF_INET, port);
    int r = open_one(listener, &in6, ipv4_wanted_apart(config, port));

    if (r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL)
        return r;
    fd_close(&listener->sockets[--listener->n_sockets].fd);
    return open_one(listener, &in, false);
}

static int open_name(struct listener *listener, const struct addr_spec *spec,
                     const char **ret_why) {
    struct addr_list *list;
    int r = 0;

    *ret_why = resolver_lookup_libc(spec->name, spec->port, &list);
    if (*ret_why != NULL)
        return -EADDRNOTAVAIL;
    for (size_t i = 0; i < list->n && r == 0; i++)
        r = open_one(listener, &list->addrs[i], true);
    addr_list_unref(list);
    return r;
}

/* Two states of a passed socket would hang or break an acceptor: not listening, and not blocking.
 */
static int adopt(struct listener *listener, struct passed_socket *passed) {
    struct listen_socket *sock = add_socket(listener);
    struct addr addr = {.len = sizeof(addr.u)};
    int listening = 0, blocking = 0; /* FIONBIO, ioctl_tty(2): 0 is blocking */
    socklen_t size = sizeof(listening);

    if (sock == NULL)
        return -ENOMEM;
    sock->fd = fd_take(&passed->fd);
    if (getsockname(sock->fd, &addr.u.sa, &addr.len) == 0)
        addr_format(&addr, sock->text, sizeof(sock->text));
    if (getsockopt(sock->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening)
        return -EINVAL;
    (void)ioctl(sock->fd, FIONBIO, &blocking);
    tune_socket(sock->fd, listener->config->keepalive);
    return 0;
}

static int open_passed(struct listener *listener, struct passed_socket *passed, size_t n_passed) {
    size_t found = 0;

    for (size_t i = 0; i < n_passed; i++) {
        if (passed[i].fd < 0 || strcmp(passed[i].name, listener->config->name) != 0)
            continue;
        int r = adopt(listener, &passed[i]);
        if (r < 0)
            return r;
        found++;
    }
    return found > 0 ? 0 : -ENOENT;
}

static const char *advice(int error, const struct listen_address *address) {
    if (address->systemd)
        return error == ENOENT ? "systemd passed no socket under this listener's name: set "
                                 "FileDescriptorName= in "
                                 "the socket unit and start that unit"
                               : "the socket unit must have Accept=no and ListenStream=";
    switch (error) {
    case EADDRINUSE:
        return "another process listens there: find it with ss -ltnp, or choose another address";
    case EACCES:
        return "ports below 1024 need CAP_NET_BIND_SERVICE; a unix path needs write permission "
               "in its directory";
    case EADDRNOTAVAIL:
        return "this machine has no such address";
    case EMFILE:
        return "raise LimitNOFILE";
    default:
        return "correct the address";
    }
}

int listener_open(struct listener *listener, const struct config *config,
                  struct passed_socket *passed, size_t n_passed, char **ret_what) {
    const struct listener_config *lc = listener->config;

    for (size_t i = 0; i < lc->n_address; i++) {
        const struct listen_address *address = &lc->address[i];
        const struct addr_spec *spec = &address->spec;
        const char *why = NULL;
        int r;

        if (address->systemd)
            r = open_passed(listener, passed, n_passed);
        else if (spec->form == ADDR_ANY)
            r = open_any(listener, config, spec->port);
        else if (spec->form == ADDR_NAME)
            r = open_name(listener, spec, &why);
        else
            r = open_one(listener, &spec->addr, ipv4_wanted_apart(config, spec->port));
        if (r == 0)
            continue;
        if (asprintf(ret_what, "Listener %s cannot listen on %s: %s; %s.", lc->name, address->text,
                     why != NULL ? why : strerrordesc_np(-r), advice(-r, address)) < 0)
            *ret_what = NULL;
        return r;
    }
    return 0;
}

void listener_close(struct listener *listener) {
    for (size_t i = 0; i < listener->n_sockets; i++) {
        struct listen_socket *sock = &listener->sockets[i];

        if (sock->unlink_path !=
            NULL) /* before the close: after it the path may be a successor's */
            (void)unlink(sock->unlink_path);
        fd_close(&sock->fd);
        free(sock->unlink_path);
    }
    free(listener->sockets);
    listener->sockets = NULL;
    listener->n_sockets = 0;
}
