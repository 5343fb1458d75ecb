/* Behind 101: another protocol, of which the bytes go on as they come. */
#include <errno.h>
#include <stdatomic.h>

#include "conn/carry.h"
#include "conn/exchange_inside.h"

/* In order if it ended so: a sink that speaks TLS is told by close_notify. */
static void end_bytes(struct exchange_side *side, enum side to, ssize_t n) {
    struct conn *conn = side->conn;
    const struct copy_tls *tls = side->in.tls;
    uint64_t read = stream_end_is_sure(&side->in) ? CONN_END_SURE : side->in.received;
    bool own = n == COPY_CUT && tls != NULL && !copy_tls_is_torn(tls) && conn_is_expired(conn);

    if (n == 0 || own) { /* silent_wake in conn_end.c */
        if (conn->tls[to] != NULL && conn_end_is_true(conn, side->dir, read)) {
            conn_begin_to_tell(conn, side->dir);
            if (stream_send_end(conn->fd[to], conn->tls[to]) == 0)
                read = CONN_END_SURE;
        }
        conn_source_ended(conn, side->dir, read);
    } else {
        exchange_source_failed(side, n);
    }
}

/* The rest of a record of which the previous process has passed on the first bytes: it is there.
 * False: it is not, or this one parks. */
static bool has_rest(struct exchange_side *side) {
    if (!stream_is_within(&side->in) || stream_in_hand(&side->in) > 0)
        return true;
    ssize_t n = exchange_fill(side);
    if (n <= 0 && n != -EINTR)
        exchange_source_failed(side, n < 0 ? n : COPY_CUT);
    return n > 0;
}

/* What is in hand goes first, if it is no longer, or not as a whole, in the socket. */
static void pass_kept_bytes(struct exchange_side *side, enum side to) {
    struct stream *in = &side->in;
    if (!has_rest(side))
        return;
    struct iovec part = {(void *)(uintptr_t)stream_first(in), stream_in_hand(in)};
    int r = 0;

    side->next.phase = PASSAGE_BYTES;
    side->body = NULL;
    if (part.iov_len > 0 && (in->stored > 0 || in->taken > 0 || in->skip > 0)) {
        stream_take(in, part.iov_len);
        r = exchange_send(side, to, &part, 1);
    } else {
        exchange_mark(side);
    }
    stream_end(in);
    if (r == -EINTR)
        return;
    if (r < 0)
        conn_sink_failed(side->conn, side->dir, -r);
    carry_run(side->conn, side->dir, side->room);
}

void exchange_pass_bytes(struct exchange_side *side, enum side to) {
    if (exchange_is_kept(side->exchange)) {
        pass_kept_bytes(side, to);
        return;
    }
    struct conn *conn = side->conn;
    struct stream *in = &side->in;
    ssize_t n;
    int r = 0;

    do {
        struct iovec part = {(void *)(uintptr_t)stream_first(in), stream_in_hand(in)};

        if (part.iov_len > 0 && r == 0) {
            r = exchange_send(side, to, &part, 1);
            if (r < 0) /* what still comes is dropped, for at most linger_timeout from now */
                conn_sink_failed(conn, side->dir, -r);
        }
        stream_take(in, stream_in_hand(in));
        stream_compact(in);
        n = exchange_fill(side);
    } while (n > 0 && !(r < 0 && atomic_load(&conn->over)));
    end_bytes(side, to, n > 0 ? 0 : n);
}
