/* Bodies of known length, in bulk: inside the kernel where both sides are plain; else from record
 * to record (copy_tls.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

#include "base/kill_point.h"
#include "conn/exchange_inside.h"
#include "conn/flow.h"
#include "conn/unsent.h"

#define BULK_KEPT    TLS_BUFFER_SIZE
#define BULK_PLAIN   (32 * 1024) /* bytes; fewer are cheaper through the pump's buffer */
#define SPLICED_MOST (1 << 20)   /* as in copy_splice.c */

/* One way of carrying: read waits for bytes, at most `most`; write gives all of them. */
struct bulk {
    struct exchange_side *side;
    int from, to;
    struct pipe_ends pipe;     /* plain */
    struct copy_tls *tls;      /* or not; NULL: plain */
    struct copy_passage *kept; /* by_steps: does it all; or NULL */
    uint64_t read;             /* of that: bytes off the source before the last step */
};

static ssize_t read_bulk(struct bulk *bulk, uint64_t most) {
    size_t wire;
    ssize_t n;

    if (bulk->kept != NULL) {
        bulk->kept->limit = most;
        do
            n = copy_passage_read(bulk->kept, bulk->from);
        while (n == -EINTR && !exchange_parks(bulk->side->exchange));
        return n;
    }
    if (bulk->tls != NULL) {
        do {
            n = copy_tls_read(bulk->tls, bulk->from, &wire);
            bulk->side->in.received += wire;
        } while (n == -EINTR);
        return n;
    }
    do
        n = splice(bulk->from, NULL, bulk->pipe.write, NULL,
                   most < SPLICED_MOST ? (size_t)most : SPLICED_MOST, SPLICE_F_MOVE);
    while (n < 0 && errno == EINTR && !exchange_parks(bulk->side->exchange));
    bulk->side->in.received += n > 0 ? (uint64_t)n : 0;
    KILL_POINT_DIR(SPLICED, bulk->side->dir);
    return n < 0 ? -errno : n;
}

static int write_spliced(struct bulk *bulk, size_t n, uint64_t *ret_written) {
    while (n > 0) {
        ssize_t written = splice(bulk->pipe.read, NULL, bulk->to, NULL, n, SPLICE_F_MOVE);

        if (written < 0 && errno != EINTR)
            return -unsent_error(bulk->to, errno, *ret_written > 0);
        n -= written > 0 ? (size_t)written : 0;
        *ret_written += written > 0 ? (uint64_t)written : 0;
        if (n > 0 && exchange_parks(bulk->side->exchange))
            return -EINTR;
    }
    return 0;
}

static int write_bulk(struct bulk *bulk, size_t n) {
    struct flow *flow = &bulk->side->conn->state->flow[bulk->side->dir];
    uint64_t written = 0;

    if (bulk->kept != NULL)
        bulk->read = passage_now(bulk->kept->kept->passage)->read;
    flow_begin_writing(flow);
    int r = bulk->kept != NULL  ? copy_passage_write(bulk->kept, bulk->from, bulk->to, &written)
            : bulk->tls != NULL ? copy_tls_write(bulk->tls, bulk->to, &written)
                                : write_spliced(bulk, n, &written);
    if (r == -EINTR) /* it parks */
        return r;
    if (r < 0)
        exchange_note_unsent(bulk->side, conn_sink(bulk->side->dir), r);
    flow_end_writing(flow, atomic_load_explicit(&flow->bytes, memory_order_relaxed) + written);
    return r;
}

/* Whatever one read brings belongs to the body while so much of it is left. */
static uint64_t least_left(const struct bulk *bulk) {
    bool records = bulk->kept != NULL ? bulk->kept->from != NULL : bulk->tls != NULL;

    return records ? TLS_BUFFER_SIZE : 1;
}

static enum exchange_carried carry_bulk(struct bulk *bulk, uint64_t *left, ssize_t *ret_n) {
    while (*left >= least_left(bulk)) {
        ssize_t n = read_bulk(bulk, *left);

        if (n == 0 && bulk->tls == NULL && bulk->kept == NULL)
            return EXCHANGE_CARRIED; /* the end, or an urgent mark: recv(2) knows */
        if (n <= 0) {
            *ret_n = n;
            return EXCHANGE_SOURCE_OVER;
        }
        *left -= (uint64_t)n;
        if (*left == 0 && bulk->side->dir == DIR_UP)
            exchange_note_read(bulk->side->exchange);
        int r = write_bulk(bulk, (size_t)n);
        if (r < 0) {
            *ret_n = r;
            return EXCHANGE_SINK_OVER;
        }
    }
    return EXCHANGE_CARRIED;
}

static bool begin_bulk(struct bulk *bulk, struct exchange_side *side, uint64_t left) {
    struct conn *conn = side->conn;
    struct tls_session *to = conn->tls[conn_sink(side->dir)];
    _Atomic usec_t *active = &conn->state->flow[side->dir].active;

    *bulk = (struct bulk){.side = side,
                          .from = conn->fd[conn_source(side->dir)],
                          .to = conn->fd[conn_sink(side->dir)],
                          .pipe = {.read = -1, .write = -1}};
    if (side->in.tls != NULL) {
        bulk->tls = side->in.tls;
        bulk->tls->to = to;
    } else if (to != NULL) {
        bulk->tls = &side->room->tls;
        copy_tls_init(bulk->tls, NULL, to, side->room->buffers, active);
    }
    if (bulk->tls != NULL)
        return left >= TLS_BUFFER_SIZE;
    return left >= BULK_PLAIN && conn->state->options.copy != COPY_BUFFER &&
           pipe_pool_get(conn->pipes, &bulk->pipe) == 0;
}

static void end_bulk(struct bulk *bulk, bool empty) {
    if (bulk->tls == NULL)
        pipe_pool_put(bulk->side->conn->pipes, &bulk->pipe, empty);
    else if (bulk->tls == bulk->side->in.tls)
        bulk->tls->to = NULL;
    else
        copy_tls_release(bulk->tls);
}

/* by_steps: the sink has failed, perhaps before the step counted. What was in hand goes nowhere,
 * and the source goes on behind it. */
static void drop_in_hand(const struct bulk *bulk) {
    struct stream *in = &bulk->side->in;

    in->wire = bulk->read;
    in->fresh_wire = bulk->kept->wire - bulk->kept->taken;
    in->fresh = in->taken = bulk->kept->plain;
    exchange_mark(bulk->side);
}

/* by_steps: what is kept goes on from one engine to the other: their marks are the same. */
static enum exchange_carried carry_kept(struct exchange_side *side, uint64_t *left,
                                        ssize_t *ret_n) {
    struct conn *conn = side->conn;
    enum side to = conn_sink(side->dir);
    struct copy_passage *kept = side->in.kept;
    struct bulk bulk = {.side = side, .from = side->in.fd, .to = conn->fd[to], .kept = kept};

    if (side->in.taken > 0)
        exchange_mark(side);
    if (exchange_begin_splice(side, *left, &bulk.pipe)) {
        bulk.kept = NULL;
        enum exchange_carried spliced = carry_bulk(&bulk, left, ret_n);
        if (spliced == EXCHANGE_SINK_OVER && *ret_n != -EINTR)
            exchange_empty_pipe(side, &bulk.pipe);
        if (spliced == EXCHANGE_CARRIED || *ret_n != -EINTR)
            exchange_end_splice(side, *left);
        return spliced;
    }
    if (*left < BULK_KEPT)
        return EXCHANGE_CARRIED;
    kept->to = conn->tls[to];
    kept->heeds = false;
    enum exchange_carried how = carry_bulk(&bulk, left, ret_n);
    const struct passage_mark *mark = passage_now(kept->kept->passage);
    kept->to = NULL;
    kept->heeds = true;
    kept->limit = 0;
    side->exchange->sent[to] = mark->sent[to];
    uint64_t before = side->in.wire;
    side->in.wire = mark->read;
    if (how == EXCHANGE_SINK_OVER && *ret_n != -EINTR)
        drop_in_hand(&bulk);
    side->in.received += side->in.wire - before;
    return how;
}

enum exchange_carried exchange_carry(struct exchange_side *side, uint64_t *left, ssize_t *ret_n) {
    enum exchange_carried how = EXCHANGE_CARRIED;
    struct bulk bulk;

    if (stream_has_more(&side->in) || stream_is_within(&side->in))
        return how;
    if (exchange_is_kept(side->exchange))
        return carry_kept(side, left, ret_n);
    if (begin_bulk(&bulk, side, *left))
        how = carry_bulk(&bulk, left, ret_n);
    end_bulk(&bulk, how != EXCHANGE_SINK_OVER);
    return how;
}
