/* How a connection ends. The rules, each with the name that the code refers to:
 *
 * in_order: End of data on one side: every byte read before it has been written by then (the same
 * pump did both), so the end is passed on with shutdown(2). The other direction goes on.
 *
 * reset: An error of a source is passed on to the sink as a reset: a cut-off transfer must not look
 * complete.
 *
 * sink_first: An error of a sink is no decision. The other direction reads from that same socket,
 * and there may be data in it that came before the error (a server that answers an upload early and
 * closes). It is read to its end first; how that ends decides. Until then, and after, what the
 * source still sends is read and dropped, for at most linger_timeout. Once both sinks have failed,
 * nothing can be delivered, and both sources may seem to end in order (stolen_error): the first
 * failure decides.
 *
 * stolen_error: A socket reports its error once, to whichever pump calls first (sock_error() in the
 * kernel), and splice may even swallow it: then the reader of a socket that was reset sees a plain
 * end. So a reader that sees the end looks at the writer of the same socket. If that has met
 * nothing and is not in a write, the end is true. If it is in a write, an empty send tells whether
 * the socket is alive. In doubt, TCP_INFO decides: bytes_received counts the FIN, so the end is
 * true if it is one more than was read. What the previous relayd has met is not known: a connection
 * that was adopted is always in doubt.
 *
 * unix_doubt: A unix socket has no such count, and an empty send tells of an orderly close as of an
 * error: both are EPIPE. There the writer's error decides, once its write is over; since the peer
 * is gone, that returns at once. It is a reset (the peer closed and left bytes unread: ECONNRESET;
 * or may have, see unsent_error), or EPIPE or none, which are no errors of the reader's.
 *
 * own_cut: Where this process ends a direction whose source has not ended (its time is up), the
 * sink is reset, too: that is a cut-off transfer like any other. Only idle_end = close, drain_idle,
 * and a connection of mode http over which no byte has passed, end in order. A side that was given
 * its end is not reset.
 *
 * cut: A peer that speaks TLS ends with close_notify. Its FIN alone may be anybody's (RFC 8446,
 * 6.1), and is passed on as a reset, as a record that breaks the rules is. What close_notify says
 * is true: no other doubt is looked into.
 *
 * silent_wake: A pump blocked in reading is woken by shutdown(SHUT_RD), which sends nothing over
 * TCP, still delivers what has arrived, and then reads as an end (or, where both directions are
 * shut and bytes come all the same, as a reset: RFC 1122, 4.2.2.13). shutdown(SHUT_WR) would tell
 * the peer of an end that may not be true. */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/sockopt.h"
#include "conn/conn.h"

#define WRITE_RETURNS USEC_PER_SEC /* at the latest, on a machine that stands still; unix_doubt */

static enum direction other_direction(enum direction dir) {
    return dir == DIR_UP ? DIR_DOWN : DIR_UP;
}

/* What stands above is written before what follows, if this process is killed between them
 * (survives in conn_state.h; a processor finishes in order what it has begun, so only the compiler
 * is to be told). */
static void in_this_order(void) {
    atomic_signal_fence(memory_order_seq_cst);
}

/* The first end stays, with its error, unless a later one says worse. A refused client's is
 * final. */
static void decide_end(struct conn *conn, enum end end, int error) REQUIRES(conn->registry->lock) {
    bool worse =
        (end_infos[end].failed || end == END_SERVER_LINGER) && end != conn->state->record.end;

    if (conn->state->decided && (!worse || conn->fd[SIDE_SERVER] < 0))
        return;
    conn->state->record.end = end;
    conn->state->record.error = error;
    in_this_order();
    conn->state->decided = true;
}

static void touch_flow(struct flow *flow) {
    atomic_store_explicit(&flow->active, clock_coarse(), memory_order_relaxed);
}

static void begin_to_linger(struct conn *conn) REQUIRES(conn->registry->lock) {
    usec_t now = clock_coarse(), next;

    conn->state->lingering = true;
    registry_review_by(conn->registry, &conn->node,
                       conn_glance(conn->registry, conn, now, &next) ? next : now);
}

/* How many bytes of the peer's were received, its end counted as one. False: a unix socket. */
static bool count_received(int fd, uint64_t *ret_received) {
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        return false;
    *ret_received = info.tcpi_bytes_received;
    return true;
}

/* unix_doubt: until the write under way has ended, and its pump has noted what it met. False: it
 * did not end. */
static bool await_write(const struct flow *writer) {
    usec_t until = clock_now() + WRITE_RETURNS;

    while (atomic_load(&writer->writing)) {
        if (clock_now() >= until)
            return false;
        sched_yield();
    }
    return true;
}

static int sink_error(struct conn *conn, enum direction dir) {
    lock_acquire(&conn->registry->lock);
    int error = conn->state->flow[dir].sink_error;
    lock_release(&conn->registry->lock);
    return error;
}

/* stolen_error: whether the end that dir's pump has read hides a reset. Returns its errno, or 0. */
static int hidden_reset(struct conn *conn, enum direction dir, uint64_t bytes_read) {
    struct flow *writer = &conn->state->flow[other_direction(dir)];
    int source = conn->fd[conn_source(dir)];
    bool writing = atomic_load(&writer->writing);
    bool gone = writing && send(source, "", 0, MSG_NOSIGNAL) < 0;
    int error = sink_error(conn, other_direction(dir));
    uint64_t received;

    if (!gone && error == 0 && !atomic_load(&conn->doubtful[conn_source(dir)]))
        return 0;
    if (count_received(source, &received)) {
        if (received == bytes_read + 1)
            return 0;
    } else if (!gone || await_write(writer)) {
        error = sink_error(conn, other_direction(dir));
        if (error == 0 || error == EPIPE)
            return 0;
    }
    return error != 0 && error != EPIPE ? error : ECONNRESET;
}

static enum end reset_by(enum direction dir) {
    return dir == DIR_UP ? END_CLIENT_RESET : END_SERVER_RESET;
}

static enum end ended_by(enum direction dir) {
    return dir == DIR_UP ? END_CLIENT_ENDED : END_SERVER_ENDED;
}

/* Passes the end on. What is on its way there arrives, even if this process is killed now. */
static void end_side(int sink) {
    (void)shutdown(sink, SHUT_WR); /* ENOTCONN: the peer is gone already */
    sockopt_set_for_end(sink);
}

static int source_error(struct conn *conn, enum direction dir, uint64_t bytes_read) {
    uint64_t before =
        dir == DIR_UP ? conn->state->record.header : conn->state->record.server_header;

    return bytes_read == CONN_END_SURE ? 0 : hidden_reset(conn, dir, bytes_read + before);
}

bool conn_end_is_true(struct conn *conn, enum direction dir, uint64_t bytes_read) {
    int error = source_error(conn, dir, bytes_read);

    lock_acquire(&conn->registry->lock);
    bool is_true = !conn->state->aborted && (error == 0 || conn->state->expired != 0);
    lock_release(&conn->registry->lock);
    return is_true;
}

void conn_begin_to_tell(struct conn *conn, enum direction dir) {
    lock_acquire(&conn->registry->lock);
    touch_flow(&conn->state->flow[dir]);
    conn->told_at = clock_now();
    if (!conn->state->aborted)
        decide_end(conn, ended_by(dir), 0);
    lock_release(&conn->registry->lock);
}

bool conn_is_expired(struct conn *conn) {
    lock_acquire(&conn->registry->lock);
    bool expired = conn->state->expired != 0;
    lock_release(&conn->registry->lock);
    return expired;
}

void conn_source_ended(struct conn *conn, enum direction dir, uint64_t bytes_read) {
    int error = source_error(conn, dir, bytes_read);
    int sink = conn->fd[conn_sink(dir)];

    lock_acquire(&conn->registry->lock);
    bool reset = !conn->state->aborted && conn->state->expired == 0 && error != 0;
    bool in_order = !conn->state->aborted && !reset;
    if (in_order) {
        touch_flow(&conn->state->flow[dir]);
        if (!conn->state->options.half_close)
            begin_to_linger(conn);
        decide_end(conn, ended_by(dir), 0);
        in_this_order();
        conn->state->flow[dir].ended = true;
    }
    struct holdings taken = conn_take_unneeded(conn);
    lock_release(&conn->registry->lock);
    holdings_give_back(&taken);
    if (reset)
        conn_abort(conn, reset_by(dir), error);
    else if (in_order && sink >= 0)
        end_side(sink);
}

void conn_source_paused(struct conn *conn, enum direction dir) {
    lock_acquire(&conn->registry->lock);
    if (!conn->state->aborted) {
        touch_flow(&conn->state->flow[dir]);
        begin_to_linger(conn);
        decide_end(conn, ended_by(dir), 0);
        conn->state->flow[dir].ended = true;
    }
    lock_release(&conn->registry->lock);
}

bool conn_gives_server(struct conn *conn) {
    if (atomic_load(&conn->wait.end) != END_KEEPALIVE)
        return false;
    atomic_store(&conn->doubtful[SIDE_SERVER], true); /* an answer may begin just now */
    (void)shutdown(conn->fd[SIDE_SERVER], SHUT_RDWR);
    return true;
}

void conn_decide_end(struct conn *conn, enum end end, int error) {
    lock_acquire(&conn->registry->lock);
    decide_end(conn, end, error);
    lock_release(&conn->registry->lock);
}

enum end conn_end(struct conn *conn) {
    lock_acquire(&conn->registry->lock);
    enum end end = conn->state->decided ? conn->state->record.end : END_NONE;
    lock_release(&conn->registry->lock);
    return end;
}

/* The pump's reference is there until it returns: nothing is logged yet. */
static void note_why(struct conn *conn, enum end end, const char *why) {
    struct record *record = &conn->state->record;

    lock_acquire(&conn->registry->lock);
    if (record->end == end)
        snprintf(record->why, sizeof(record->why), "%s", why);
    lock_release(&conn->registry->lock);
}

/* How a source that has failed ends the connection. A client that resets after the server's end,
 * when it has all it wanted, is everyday; so is a server that says nothing more to a client that
 * has ended, not even close_notify. */
static void fail_source(struct conn *conn, enum direction dir, enum end end, int error,
                        const char *why) {
    lock_acquire(&conn->registry->lock);
    enum end before = conn->state->decided ? conn->state->record.end : END_NONE;
    bool silent = atomic_load(&conn->state->flow[dir].spoke) <= conn->told_at;
    bool keep = dir == DIR_UP
                    ? before == END_SERVER_ENDED
                    : before == END_CLIENT_ENDED && end == END_SERVER_CUT && error == 0 && silent;
    lock_release(&conn->registry->lock);
    if (conn_abort(conn, keep ? before : end, keep ? 0 : error) && !keep)
        note_why(conn, end, why);
}

void conn_source_failed(struct conn *conn, enum direction dir, int error, const char *why) {
    if (conn_is_expired(conn)) /* silent_wake: what it reads no more, and is sent all the same */
        conn_source_ended(conn, dir, 0);
    else
        fail_source(conn, dir, reset_by(dir), error, why);
}

void conn_source_cut(struct conn *conn, enum direction dir, int error, const char *why) {
    fail_source(conn, dir, dir == DIR_UP ? END_CLIENT_CUT : END_SERVER_CUT, error, why);
}

/* Browsers close idle connections so. The server is reset all the same: that nothing was cut off is
 * likely, not sure. */
void conn_source_left(struct conn *conn, enum direction dir, const char *why) {
    if (dir == DIR_UP && conn->state->options.http && !conn_is_asked(conn))
        fail_source(conn, dir, END_CLIENT_ENDED, 0, "");
    else
        conn_source_cut(conn, dir, 0, why);
}

void conn_sink_failed(struct conn *conn, enum direction dir, int error) {
    lock_acquire(&conn->registry->lock);
    int first = conn->state->flow[other_direction(dir)].sink_error; /* its sink is dir's source */
    touch_flow(&conn->state->flow[dir]);
    begin_to_linger(conn);
    if (first != 0 && !conn->state->decided) /* sink_first */
        decide_end(conn, reset_by(dir), first == EPIPE ? ECONNRESET : first);
    in_this_order();
    conn->state->flow[dir].sink_error = error;
    lock_release(&conn->registry->lock);
}

/* Wakes the pump that reads from this side, and tells the peer, unless it was given its end. */
static void cut_side(struct conn *conn, enum side side, bool given_end) {
    if (conn->fd[side] < 0)
        return;
    if (given_end)
        (void)shutdown(conn->fd[side], SHUT_RD); /* silent_wake */
    else
        fd_reset(conn->fd[side]);
}

static void cut_conn(struct conn *conn) {
    lock_acquire(&conn->registry->lock);
    bool spares = !conn->state->hard, client_given = spares && conn->state->flow[DIR_DOWN].ended,
         server_given = spares && conn->state->flow[DIR_UP].ended;
    lock_release(&conn->registry->lock);
    atomic_store(&conn->over, true);
    cut_side(conn, SIDE_CLIENT, client_given);
    cut_side(conn, SIDE_SERVER, server_given);
    event_bump(&conn->event);
}

static bool abort_conn(struct conn *conn, enum end end, int error, bool hard) {
    lock_acquire(&conn->registry->lock);
    bool first = !conn->state->aborted;
    bool over = conn->state->flow[DIR_UP].ended && conn->state->flow[DIR_DOWN].ended;
    if (first) {
        decide_end(conn, end, error);
        conn->state->hard = hard && !over;
        in_this_order();
        conn->state->aborted = true;
    }
    struct holdings taken = conn_take_unneeded(conn);
    lock_release(&conn->registry->lock);
    holdings_give_back(&taken);
    if (first)
        cut_conn(conn);
    return first;
}

bool conn_abort(struct conn *conn, enum end end, int error) {
    return abort_conn(conn, end, error, false);
}

void conn_abort_hard(struct conn *conn, enum end end, int error) {
    (void)abort_conn(conn, end, error, true);
}

static void end_sources(struct conn *conn) {
    atomic_store(&conn->over, true);
    for (int side = 0; side < 2; side++)
        if (conn->fd[side] >= 0)
            (void)shutdown(conn->fd[side], SHUT_RD); /* silent_wake */
    event_bump(&conn->event);
}

void conn_expire(struct conn *conn, enum end end) {
    lock_acquire(&conn->registry->lock);
    bool first = !conn->state->aborted && conn->state->expired == 0;
    if (first) {
        if (!conn->state->decided || conn->fd[SIDE_SERVER] >= 0) {
            conn->state->record.end = end;
            in_this_order();
            conn->state->decided = true;
        }
        in_this_order();
        conn->state->expired = clock_coarse();
    }
    lock_release(&conn->registry->lock);
    if (first)
        end_sources(conn);
}

void conn_redo(struct conn *conn) {
    lock_acquire(&conn->registry->lock);
    bool aborted = conn->state->aborted, expired = conn->state->expired != 0;
    bool ended[2] = {conn->state->flow[DIR_UP].ended, conn->state->flow[DIR_DOWN].ended};
    if (expired)
        conn->state->expired = clock_coarse(); /* its last bytes get their time anew */
    struct holdings taken = conn_take_unneeded(conn);
    lock_release(&conn->registry->lock);
    holdings_give_back(&taken);
    for (int dir = 0; dir < 2; dir++)
        if (ended[dir] && (conn->exchange == NULL || dir == DIR_DOWN)) /* conn_source_paused */
            end_side(conn->fd[conn_sink((enum direction)dir)]);
    if (aborted)
        cut_conn(conn);
    else if (expired)
        end_sources(conn);
}
