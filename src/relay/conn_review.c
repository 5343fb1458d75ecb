/* Whether the time of a connection is up: what the reaper asks. */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "relay/conn.h"

#define EXPIRE_PATIENCE USEC_PER_SEC /* what an expired conn gets to write its last bytes */

/* How often a conn is looked at: at a fourth of its timeout, within these bounds. */
#define LOOK_SOONEST (10 * USEC_PER_MSEC)
#define LOOK_LATEST  (15 * USEC_PER_SEC)
#define LOOK_ROUNDED 8 /* looks are rounded up to such a part of that, so that many fall together */

static usec_t later(usec_t a, usec_t b) {
    return a > b ? a : b;
}

static usec_t earlier(usec_t a, usec_t b) {
    return a < b ? a : b;
}

/* 0: none. */
static usec_t timeout_of(const struct conn *conn) REQUIRES(conn->registry->lock) {
    return conn->state->lingering ? conn->state->options.linger_timeout
                                  : conn->state->options.idle_timeout;
}

static usec_t look_interval(const struct conn *conn) REQUIRES(conn->registry->lock) {
    usec_t timeout = timeout_of(conn);

    return timeout == 0 ? LOOK_LATEST : later(LOOK_SOONEST, earlier(timeout / 4, LOOK_LATEST));
}

/* Its last byte, as its pumps know it. */
static usec_t last_moved(const struct conn *conn) {
    return later(atomic_load(&conn->state->flow[DIR_UP].active),
                 atomic_load(&conn->state->flow[DIR_DOWN].active));
}

static usec_t deadline_after(const struct conn *conn, usec_t last) REQUIRES(conn->registry->lock) {
    usec_t timeout = timeout_of(conn);

    return timeout == 0 ? USEC_NEVER : last + timeout;
}

static usec_t next_look(const struct conn *conn, usec_t now, usec_t deadline)
    REQUIRES(conn->registry->lock) {
    usec_t interval = look_interval(conn), part = interval / LOOK_ROUNDED;
    usec_t next = now + interval + part - 1;

    return earlier(next - next % part, deadline);
}

bool conn_glance(struct registry *registry, const struct conn *conn, usec_t now,
                 usec_t *ret_next) UNCHECKED {
    usec_t last = last_moved(conn), deadline = deadline_after(conn, last);

    (void)registry;
    if (conn->state->aborted) {
        *ret_next = USEC_NEVER;
        return true;
    }
    if (conn->state->expired != 0) {
        *ret_next = conn->state->expired + EXPIRE_PATIENCE;
        return now < *ret_next;
    }
    if (now < last + look_interval(conn)) { /* it is not quiet */
        *ret_next = next_look(conn, last, deadline);
        return true;
    }
    *ret_next = next_look(conn, now, deadline);
    return last == conn->review.settled && now < deadline;
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

/* When the peers of a quiet conn last took bytes, as far as that has been watched; 0: nothing is on its way. A write that
 * blocks, or a send queue that empties slowly, moves without its pump's doing. */
static usec_t last_taken(struct conn *conn, usec_t now) {
    usec_t last = 0;

    for (int dir = 0; dir < 2; dir++) {
        struct watch *watch = &conn->review.watch[dir];
        int sink = conn->fd[conn_sink((enum direction)dir)];

        if (sink < 0 || !on_its_way(sink)) {
            watch->on = false;
            continue;
        }
        uint64_t taken = taken_by_peer(sink);
        if (!watch->on || taken != watch->taken)
            *watch = (struct watch){.on = true, .taken = taken, .taken_at = now};
        last = later(last, watch->taken_at);
    }
    return last;
}

static enum end linger_end(const struct conn *conn) REQUIRES(conn->registry->lock) {
    if (conn->state->flow[DIR_DOWN].sink_error != 0)
        return END_CLIENT_LEFT;
    if (conn->state->flow[DIR_UP].sink_error != 0)
        return END_SERVER_LEFT;
    return conn->state->record.end == END_CLIENT_ENDED ? END_CLIENT_LINGER : END_SERVER_LINGER;
}

/* Whether a conn whose time is up may end in order. See own_cut in conn_end.c. */
static bool may_expire(const struct conn *conn) REQUIRES(conn->registry->lock) {
    const struct flow *up = &conn->state->flow[DIR_UP], *down = &conn->state->flow[DIR_DOWN];
    bool unused = atomic_load(&up->bytes) == 0 && atomic_load(&down->bytes) == 0;

    if (conn->state->lingering || atomic_load(&up->holding) || atomic_load(&down->holding))
        return false;
    return conn->state->options.idle_end == IDLE_END_CLOSE || (conn->state->options.http && unused);
}

static struct verdict time_is_up(const struct conn *conn) REQUIRES(conn->registry->lock) {
    bool holding = atomic_load(&conn->state->flow[DIR_UP].holding) ||
                   atomic_load(&conn->state->flow[DIR_DOWN].holding);
    enum end idle = holding ? END_STALLED : END_IDLE;

    return (struct verdict){.what = may_expire(conn) ? CONN_EXPIRE : CONN_ABORT,
                            .end = conn->state->lingering ? linger_end(conn) : idle};
}

/* taken: what last_taken found. */
static struct verdict judge(struct conn *conn, usec_t now, usec_t taken)
    REQUIRES(conn->registry->lock) {
    usec_t last = last_moved(conn), deadline = deadline_after(conn, later(last, taken));

    conn->review.settled = taken == 0 ? last : 0;
    if (conn->state->aborted)
        return (struct verdict){.what = CONN_LIVE, .deadline = USEC_NEVER};
    if (conn->state->expired != 0 && now >= conn->state->expired + EXPIRE_PATIENCE)
        return (struct verdict){.what = CONN_ABORT,
                                .end = conn->state->lingering ? (enum end)conn->state->record.end
                                                              : END_STALLED};
    if (conn->state->expired != 0)
        deadline = conn->state->expired + EXPIRE_PATIENCE;
    else if (now >= deadline)
        return time_is_up(conn);
    return (struct verdict){.what = CONN_LIVE, .deadline = deadline};
}

struct verdict conn_review(struct conn *conn, usec_t now) {
    usec_t taken = last_taken(conn, now), next = USEC_NEVER;

    lock_acquire(&conn->registry->lock);
    struct verdict verdict = judge(conn, now, taken);
    if (verdict.what == CONN_LIVE && !conn->state->aborted)
        next = next_look(conn, now, verdict.deadline);
    else if (verdict.what == CONN_EXPIRE)
        next = now + EXPIRE_PATIENCE;
    registry_review_at(conn->registry, conn, next);
    lock_release(&conn->registry->lock);
    return verdict;
}
