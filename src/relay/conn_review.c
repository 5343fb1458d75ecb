/* Whether the time of a connection is up: what the reaper asks. */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "relay/conn.h"

#define EXPIRE_PATIENCE USEC_PER_SEC /* what an expired conn gets to write its last bytes */

static usec_t later(usec_t a, usec_t b) {
    return a > b ? a : b;
}

/* A number that changes whenever the peer takes bytes that were sent before. Not the length of the
 * send queue where it can be avoided: while the peer takes and a pump refills, that may look
 * unchanged. */
static uint64_t taken_by_peer(int fd) {
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    int queued = 0;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0)
        return info.tcpi_bytes_acked;
    return ioctl(fd, SIOCOUTQ, &queued) == 0 ? (uint64_t)queued : 0;
}

/* Bytes that the peer has not taken yet: sent, or only queued. */
static bool on_its_way(int fd) {
    int queued = 0;

    return ioctl(fd, SIOCOUTQ, &queued) == 0 && queued > 0;
}

/* Part of conn_review, under its lock: when the peers of a quiet conn last took bytes, as far as that has
 * been watched. A write that blocks, or a send queue that empties slowly, moves without its pump's doing. */
static usec_t last_taken(struct conn *conn, usec_t now) UNCHECKED {
    usec_t last = 0;

    for (int dir = 0; dir < 2; dir++) {
        struct watch *watch = &conn->watch[dir];
        int sink = conn->fd[conn_sink((enum direction)dir)];

        if (sink < 0 || !on_its_way(sink)) {
            watch->on = false;
            continue;
        }
        uint64_t taken = taken_by_peer(sink);
        if (!watch->on || taken != watch->taken)
            *watch = (struct watch){.on = true, .taken = taken, .taken_at = now};
        last = watch->taken_at > last ? watch->taken_at : last;
    }
    return last;
}

/* Part of conn_review, under its lock. */
static enum end linger_end(const struct conn *conn) UNCHECKED {
    if (conn->state->flow[DIR_DOWN].sink_error != 0)
        return END_CLIENT_LEFT;
    if (conn->state->flow[DIR_UP].sink_error != 0)
        return END_SERVER_LEFT;
    return conn->state->record.end == END_CLIENT_ENDED ? END_CLIENT_LINGER : END_SERVER_LINGER;
}

/* Part of conn_review, under its lock: whether a conn whose time is up may end in order. See own_cut in conn_end.c. */
static bool may_expire(const struct conn *conn) UNCHECKED {
    const struct flow *up = &conn->state->flow[DIR_UP], *down = &conn->state->flow[DIR_DOWN];
    bool unused = atomic_load(&up->bytes) == 0 && atomic_load(&down->bytes) == 0;

    if (conn->state->lingering || atomic_load(&up->holding) || atomic_load(&down->holding))
        return false;
    return conn->state->options.idle_end == IDLE_END_CLOSE || (conn->state->options.http && unused);
}

enum conn_due conn_review(struct registry *registry, struct conn *conn, usec_t now,
                          usec_t *ret_deadline, enum end *ret_end) {
    struct flow *up = &conn->state->flow[DIR_UP], *down = &conn->state->flow[DIR_DOWN];
    usec_t timeout = conn->state->lingering ? conn->state->options.linger_timeout
                                            : conn->state->options.idle_timeout;
    usec_t last = later(atomic_load(&up->active), atomic_load(&down->active));
    bool holding = atomic_load(&up->holding) || atomic_load(&down->holding);

    (void)registry; /* named for the lock */
    *ret_deadline = USEC_NEVER;
    if (conn->state->aborted)
        return CONN_LIVE;
    if (conn->state->expired != 0) {
        *ret_deadline = conn->state->expired + EXPIRE_PATIENCE;
        *ret_end = conn->state->lingering ? (enum end)conn->state->record.end : END_STALLED;
        return now < *ret_deadline ? CONN_LIVE : CONN_ABORT;
    }
    if (timeout == 0)
        return CONN_LIVE;
    if (now >= last + timeout / 4) /* the pumps are quiet: what do the peers do? */
        last = later(last, last_taken(conn, now));
    *ret_deadline = last + timeout;
    if (now < *ret_deadline)
        return CONN_LIVE;
    if (conn->state->lingering)
        *ret_end = linger_end(conn);
    else
        *ret_end = holding ? END_STALLED : END_IDLE;
    return may_expire(conn) ? CONN_EXPIRE : CONN_ABORT;
}
