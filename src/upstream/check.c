/* The sockets of checks are non-blocking and polled: they are not on the road, and one thread makes all of them. */
#include "upstream/check.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

static const struct check_type_ops *ops_of(const struct check_wish *wish) {
    return wish->config->type == CHECK_HTTP ? &check_http_ops : &check_tcp_ops;
}

/* Faults of this machine say nothing of the server. */
static bool is_ours(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
           error == EADDRNOTAVAIL;
}

static enum check_state fail(struct check *check, const char *what, int error) {
    snprintf(check->why, sizeof(check->why), "%s: %s", what, strerrordesc_np(error));
    return is_ours(error) ? CHECK_NOTHING : CHECK_BAD;
}

static enum check_state judge(struct check *check, const struct check_wish *wish, bool ended) {
    return ops_of(wish)->judge(wish, check->answer, check->n_answer, ended, check->why,
                               sizeof(check->why));
}

/* The header of a connection of our own, then what the type asks. */
static void write_request(struct check *check, const struct check_wish *wish) {
    if (wish->send_proxy != PROXY_OFF)
        check->n_request =
            proxy_write(wish->send_proxy, NULL, NULL, NULL, 0, (unsigned char *)check->request);
    check->n_request += ops_of(wish)->request(wish, check->request + check->n_request,
                                              sizeof(check->request) - check->n_request);
}

static int open_socket(const struct check_wish *wish) {
    int fd = socket(wish->addr.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
        yes = 1;
    const struct addr *source = wish->source;

    if (fd < 0 || source == NULL || source->u.sa.sa_family != wish->addr.u.sa.sa_family)
        return fd;
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes)); /* as dials do */
    if (bind(fd, &source->u.sa, source->len) < 0)
        fd_close(&fd);
    return fd;
}

enum check_state check_begin(struct check *check, const struct check_wish *wish) {
    *check = (struct check){.fd = open_socket(wish)};
    if (check->fd < 0)
        return fail(check, "socket", errno);
    write_request(check, wish);
    if (connect(check->fd, &wish->addr.u.sa, wish->addr.len) == 0 || errno == EINPROGRESS)
        return CHECK_GOES_ON;
    return fail(check, "connect", errno);
}

short check_events(const struct check *check) {
    return !check->connected || check->sent < check->n_request ? POLLOUT : POLLIN;
}

static enum check_state find_connected(struct check *check) {
    int error = 0;
    socklen_t size = sizeof(error);

    if (getsockopt(check->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error != 0)
        return fail(check, "connect", error);
    check->connected = true;
    return CHECK_GOES_ON;
}

static enum check_state send_some(struct check *check) {
    ssize_t n =
        send(check->fd, check->request + check->sent, check->n_request - check->sent, MSG_NOSIGNAL);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CHECK_GOES_ON : fail(check, "send", errno);
    check->sent += (size_t)n;
    return CHECK_GOES_ON;
}

static enum check_state read_some(struct check *check, const struct check_wish *wish) {
    ssize_t n = recv(check->fd, check->answer + check->n_answer,
                     sizeof(check->answer) - check->n_answer, 0);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CHECK_GOES_ON : fail(check, "receive", errno);
    check->n_answer += (size_t)n;
    return judge(check, wish, n == 0 || check->n_answer == sizeof(check->answer));
}

enum check_state check_go_on(struct check *check, const struct check_wish *wish) {
    enum check_state state = CHECK_GOES_ON;

    if (!check->connected)
        state = find_connected(check);
    if (state == CHECK_GOES_ON && check->sent < check->n_request)
        state = send_some(check);
    else if (state == CHECK_GOES_ON && check->n_request > 0)
        return read_some(check, wish);
    if (state == CHECK_GOES_ON && check->sent == check->n_request)
        state = judge(check, wish, false); /* a type that waits for no answer is through */
    return state;
}

void check_end(struct check *check) {
    fd_close(&check->fd);
}
