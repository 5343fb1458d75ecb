#include "relay/dial.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/fd.h"
#include "base/stats.h"
#include "relay/tune.h"

/* What is left of one connection's attempts. */
struct attempts {
    int64_t left;
    usec_t timeout;
    usec_t keepalive;
    const _Atomic bool *stop;
};

/* connect(2) with SO_SNDTIMEO gives up with EINPROGRESS, and for a unix socket whose backlog is
 * full with EAGAIN (socket(7)). After a signal, a second connect waits for the same attempt. */
static int connect_within(int fd, const struct addr *addr, const struct attempts *attempts) {
    struct timeval timeout = clock_timeval(attempts->timeout);

    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
        return -errno;
    while (connect(fd, &addr->u.sa, addr->len) < 0) {
        if (errno == EISCONN)
            break;
        if (errno == EINPROGRESS || errno == EAGAIN || errno == EALREADY)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
        if (atomic_load(attempts->stop))
            return -ECANCELED;
    }
    /* From here on writes wait for as long as the peer does. */
    timeout = clock_timeval(0);
    return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ? -errno : 0;
}

/* Dialling a dead port of this machine can, by chance, be given that very port to dial from, and
 * TCP then connects the socket to itself (simultaneous open, RFC 9293, 3.5). */
static bool talks_to_itself(int fd, const struct addr *addr) {
    struct addr own = {.len = sizeof(own.u)};

    return !addr_is_unix(addr) && getsockname(fd, &own.u.sa, &own.len) == 0 &&
           addr_equal(&own, addr);
}

static int dial_address(const struct addr *addr, const struct attempts *attempts, int *ret_fd) {
    int fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r;

    stats_add(STAT_dial_attempts, 1);
    if (fd < 0)
        return -errno;
    r = connect_within(fd, addr, attempts);
    if (r == 0 && talks_to_itself(fd, addr))
        r = -ECONNREFUSED;
    if (r < 0) {
        fd_close(&fd);
        return r;
    }
    if (!addr_is_unix(addr))
        tune_socket(fd, attempts->keepalive);
    *ret_fd = fd;
    return 0;
}

static enum dial_outcome judge(int error) {
    switch (error) {
    case ETIMEDOUT:
        return DIAL_TIMED_OUT;
    case ECANCELED:
        return DIAL_STOPPED;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL: /* no local port is left */
        return DIAL_NO_SOCKET;
    default:
        return DIAL_REFUSED;
    }
}

/* Each address once, beginning with the one that answered last. */
static enum dial_outcome dial_server(struct server *server, struct attempts *attempts,
                                     struct record *record, int *ret_fd) {
    enum dial_outcome outcome = DIAL_NO_NAME;
    struct addr_list *list;

    snprintf(record->server, sizeof(record->server), "%s", server->config->name);
    enum resolver_outcome found = server_addresses(server, clock_now() + attempts->timeout, &list);
    if (found != RESOLVER_OK)
        return found == RESOLVER_STOPPED ? DIAL_STOPPED : DIAL_NO_NAME;
    size_t first = atomic_load_explicit(&server->first, memory_order_relaxed) % list->n, i;
    for (i = 0; i < list->n && attempts->left > 0; i++, attempts->left--) {
        record->server_addr = list->addrs[(first + i) % list->n];
        int r = dial_address(&record->server_addr, attempts, ret_fd);

        record->error = -r;
        outcome = r == 0 ? DIAL_OK : judge(-r);
        if (outcome == DIAL_OK || outcome == DIAL_STOPPED)
            break;
        stats_add(STAT_dial_failures, 1);
    }
    if (i > 0) /* the first one failed: the next connection begins where this one came to */
        atomic_store_explicit(&server->first, (first + i) % list->n, memory_order_relaxed);
    addr_list_unref(list);
    return outcome;
}

enum dial_outcome dial(struct upstream *upstream, usec_t keepalive, const _Atomic bool *stop,
                       struct record *record, int *ret_fd) {
    struct attempts attempts = {.left = upstream->config->connect_attempts,
                                .timeout = upstream->config->connect_timeout,
                                .keepalive = keepalive,
                                .stop = stop};
    enum dial_outcome outcome = DIAL_NO_NAME;
    struct server *server;

    for (size_t tried = 0; attempts.left > 0; tried++) {
        server = upstream_pick(upstream, tried);
        if (server == NULL)
            break;
        outcome = dial_server(server, &attempts, record, ret_fd);
        if (outcome == DIAL_OK || outcome == DIAL_STOPPED)
            break;
    }
    return outcome;
}
