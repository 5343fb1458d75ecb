#include "relay/listen_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

/* A list of wishes that grows. */
struct wishes {
    const struct config *config;
    struct listen_wish *list;
    size_t n;
};

static struct listen_wish *add_wish(struct wishes *wishes, size_t index, size_t address) {
    struct listen_wish *grown = realloc(wishes->list, (wishes->n + 1) * sizeof(*grown));
    const struct listener_config *listener = &wishes->config->listeners[index];

    if (grown == NULL)
        return NULL;
    wishes->list = grown;
    grown[wishes->n] = (struct listen_wish){
        .listener = listener, .index = index, .address = &listener->address[address]};
    return &grown[wishes->n++];
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

/* The addresses of a name, by libc: before a socket is open there is nothing that it could hold up. */
static const char *look_up(const struct addr_spec *spec, struct addrinfo **ret_found) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char service[8];

    snprintf(service, sizeof(service), "%u", spec->port % 65536);
    int r = getaddrinfo(spec->name, service, &hints, ret_found);
    if (r == EAI_SYSTEM)
        return strerrordesc_np(errno);
    return r != 0 ? gai_strerror(r) : NULL;
}

/* Whether an earlier wish of this address has it: a name may be listed twice in /etc/hosts. */
static bool wished(const struct wishes *wishes, size_t first, const struct addr *addr) {
    for (size_t i = first; i < wishes->n; i++)
        if (addr_equal(&wishes->list[i].addr, addr))
            return true;
    return false;
}

static int wish_name(struct wishes *wishes, size_t index, size_t address, const char **ret_why) {
    const struct addr_spec *spec = &wishes->config->listeners[index].address[address].spec;
    struct addrinfo *found = NULL;
    size_t first = wishes->n;
    int r = 0;

    *ret_why = look_up(spec, &found);
    if (*ret_why != NULL)
        return -EADDRNOTAVAIL;
    for (struct addrinfo *ai = found; ai != NULL && r == 0; ai = ai->ai_next) {
        struct addr one = {.len = ai->ai_addrlen};

        if (ai->ai_addrlen > sizeof(one.u))
            continue;
        memcpy(&one.u, ai->ai_addr, ai->ai_addrlen);
        if (wished(wishes, first, &one))
            continue;
        struct listen_wish *wish = add_wish(wishes, index, address);
        if (wish == NULL) {
            r = -ENOMEM;
        } else {
            wish->addr = one;
            wish->v6only = true;
        }
    }
    freeaddrinfo(found);
    return r;
}

static int wish_address(struct wishes *wishes, size_t index, size_t address, const char **ret_why) {
    const struct listen_address *asked = &wishes->config->listeners[index].address[address];
    const struct addr_spec *spec = &asked->spec;

    if (!asked->systemd && spec->form == ADDR_NAME)
        return wish_name(wishes, index, address, ret_why);
    struct listen_wish *wish = add_wish(wishes, index, address);
    if (wish == NULL)
        return -ENOMEM;
    wish->systemd = asked->systemd;
    if (wish->systemd)
        return 0;
    wish->any = spec->form == ADDR_ANY;
    wish->addr = wish->any ? any_address(AF_INET6, spec->port) : spec->addr;
    wish->v6only =
        wish->addr.u.sa.sa_family == AF_INET6 && ipv4_wanted_apart(wishes->config, spec->port);
    return 0;
}

int listen_wishes(const struct config *config, struct listen_wish **ret_list, size_t *ret_n,
                  char **ret_what) {
    struct wishes wishes = {.config = config};

    for (size_t i = 0; i < config->n_listeners; i++)
        for (size_t j = 0; j < config->listeners[i].n_address; j++) {
            const struct listener_config *listener = &config->listeners[i];
            const char *why = NULL;
            int r = wish_address(&wishes, i, j, &why);

            if (r == 0)
                continue;
            struct listen_wish failed = {.listener = listener, .address = &listener->address[j]};
            *ret_what = listen_complaint(&failed, -r, why);
            free(wishes.list);
            return r;
        }
    *ret_list = wishes.list;
    *ret_n = wishes.n;
    return 0;
}

static struct addr fallback(const struct listen_wish *wish) {
    return any_address(AF_INET, ntohs(wish->addr.u.in6.sin6_port));
}

static bool is_any(const struct addr *addr) {
    if (addr->u.sa.sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&addr->u.in6.sin6_addr);
    return addr->u.sa.sa_family == AF_INET && addr->u.in.sin_addr.s_addr == htonl(INADDR_ANY);
}

bool listen_wish_met(const struct listen_wish *wish, const struct listen_socket *socket) {
    if (wish->systemd)
        return strcmp(socket->passed_as, wish->listener->name) == 0;
    if (socket->passed_as[0] != '\0')
        return false;
    if (addr_equal(&wish->addr, &socket->addr))
        return wish->v6only == socket->v6only || wish->addr.u.sa.sa_family != AF_INET6 ||
               !is_any(&wish->addr);
    if (!wish->any || !socket->stands_in)
        return false;
    struct addr in = fallback(wish);
    return addr_equal(&in, &socket->addr);
}

bool listen_wish_overlaps(const struct listen_wish *wish, const struct listen_socket *socket) {
    const struct addr *a = &wish->addr, *b = &socket->addr;

    if (wish->systemd || socket->passed_as[0] != '\0' || addr_port(a) == 0 ||
        addr_port(a) != addr_port(b))
        return false;
    if (a->u.sa.sa_family == b->u.sa.sa_family)
        return is_any(a) || is_any(b) || addr_equal(a, b);
    return a->u.sa.sa_family == AF_INET6 ? is_any(a) && !wish->v6only
                                         : is_any(b) && !socket->v6only;
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

static int bind_socket(struct listen_socket *sock) {
    const struct addr *addr = &sock->addr;
    int on = 1, only = sock->v6only;

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
        /* Who may connect is the directory's business: relayd's own umask would lock everybody out. */
        if (chmod(addr->u.un.sun_path, 0666) < 0)
            return -errno;
    }
    return 0;
}

static int open_at(struct listen_socket *ret_socket, const struct addr *addr, bool v6only,
                   const struct listener_config *config) {
    struct listen_socket sock = {.addr = *addr, .v6only = v6only};

    addr_format(addr, sock.text, sizeof(sock.text));
    sock.fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock.fd < 0)
        return -errno;
    int r = bind_socket(&sock);
    if (r == 0) {
        tune_socket(sock.fd, config->keepalive);
        /* After this the kernel accepts connections on our behalf. */
        r = listen(sock.fd, (int)config->backlog) < 0 ? -errno : 0;
    }
    if (r < 0)
        listen_socket_close(&sock);
    else
        *ret_socket = sock;
    return r;
}

int listen_socket_open(struct listen_socket *ret_socket, const struct listen_wish *wish) {
    int r = open_at(ret_socket, &wish->addr, wish->v6only, wish->listener);

    if (!wish->any || (r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL))
        return r;
    struct addr in = fallback(wish);
    r = open_at(ret_socket, &in, false, wish->listener);
    if (r == 0)
        ret_socket->stands_in = true;
    return r;
}

/* Connections that are established and not yet accepted; of a listening socket tcpi_unacked is that (tcp_diag). */
static unsigned count_waiting(int fd) {
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_unacked : 0;
}

/* Two states of a passed socket would hang or break an acceptor: not listening, and not blocking. */
int listen_socket_adopt(struct listen_socket *ret_socket, const struct listen_wish *wish,
                        struct passed_socket *passed) {
    struct listen_socket sock = {.fd = fd_take(&passed->fd)};
    struct addr addr = {.len = sizeof(addr.u)};
    int blocking = 0; /* FIONBIO, ioctl_tty(2): 0 is blocking */

    snprintf(sock.passed_as, sizeof(sock.passed_as), "%s", wish->listener->name);
    if (getsockname(sock.fd, &addr.u.sa, &addr.len) == 0)
        addr_format(&addr, sock.text, sizeof(sock.text));
    if (!fd_listens(sock.fd)) {
        fd_close(&sock.fd);
        return -EINVAL;
    }
    (void)ioctl(sock.fd, FIONBIO, &blocking);
    tune_socket(sock.fd, wish->listener->keepalive);
    sock.untuned = count_waiting(sock.fd);
    *ret_socket = sock;
    return 0;
}

/* A second listen(2) only sets the backlog; that of a passed socket is its unit's. */
void listen_socket_tune(const struct listen_socket *socket, const struct listener_config *config) {
    tune_socket(socket->fd, config->keepalive);
    if (socket->passed_as[0] == '\0')
        (void)listen(socket->fd, (int)config->backlog);
}

void listen_socket_close(struct listen_socket *socket) {
    if (socket->unlink_path != NULL &&
        !socket->inherited) /* before the close: after it the path may be a successor's */
        (void)unlink(socket->unlink_path);
    fd_close(&socket->fd);
    free(socket->unlink_path);
    socket->unlink_path = NULL;
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
        return "ports below 1024 need CAP_NET_BIND_SERVICE, and in relayd.service PrivateUsers=no "
               "or relayd.socket (see "
               "PORTS BELOW 1024 in relayd(8)); a unix path needs write permission in its "
               "directory";
    case EADDRNOTAVAIL:
        return "this machine has no such address";
    case EMFILE:
        return "raise LimitNOFILE";
    default:
        return "correct the address";
    }
}

char *listen_complaint(const struct listen_wish *wish, int error, const char *why) {
    char *what;

    if (asprintf(&what, "Listener %s cannot listen on %s: %s; %s.", wish->listener->name,
                 wish->address->text, why != NULL ? why : strerrordesc_np(error),
                 error == EADDRINUSE && why != NULL ? "this can only change by a restart"
                                                    : advice(error, wish->address)) < 0)
        return NULL;
    return what;
}
