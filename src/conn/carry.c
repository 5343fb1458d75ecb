#include "conn/carry.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "conn/copy.h"
#include "conn/flow.h"

/* How the carrying of bytes came to its end. */
enum carried {
    SOURCE_OVER, /* it ended or failed, and the conn knows */
    SINK_OVER,   /* it failed: what the source still sends is to be dropped */
    PARKED,      /* all that is in hand is in the kept pipe */
};

/* Writes what is in hand. False: *ret says why nothing more is to be read. */
static bool deliver_bytes(struct conn *conn, enum direction dir, struct copy *copy,
                          enum carried *ret) {
    struct flow *flow = &conn->state->flow[dir];

    flow_begin_writing(flow);
    int r = copy_write(copy, conn->fd[conn_sink(dir)]);
    if (r == -EINTR && copy->passage != NULL) { /* the step is not done */
        *ret = PARKED;
        return false;
    }
    if (r == COPY_UNLIKE)
        (void)conn_abort(conn, END_NOT_ADOPTED, 0);
    else if (r < 0 && r != -EINTR)
        conn_sink_failed(conn, dir, -r); /* before end_writing: stolen_error in conn_end.c */
    flow_end_writing(flow, copy->written);
    *ret = r == -EINTR ? PARKED : SINK_OVER;
    return r == 0;
}

/* close_notify goes before the end of the socket, and may have to wait for room like all else. */
static bool tell_end(struct conn *conn, enum direction dir, struct copy *copy, enum carried *ret) {
    struct flow *flow = &conn->state->flow[dir];

    conn_begin_to_tell(conn, dir);
    atomic_store_explicit(&flow->writing, true, memory_order_relaxed);
    int r = copy_end(copy, conn->fd[conn_sink(dir)]);
    if (r == -EINTR) {
        *ret = PARKED;
        return false;
    }
    if (r < 0)
        conn_sink_failed(conn, dir, -r);
    flow_end_writing(flow, copy->written);
    *ret = SINK_OVER;
    return r == 0;
}

static enum carried pass_end(struct conn *conn, enum direction dir, struct copy *copy) {
    uint64_t read = copy_end_is_sure(copy)  ? CONN_END_SURE
                    : copy->passage != NULL ? conn_passage_read(conn, dir)
                    : copy->tls != NULL     ? copy->received
                                            : copy->written;
    enum carried how;

    if (copy_tells_end(copy) && conn_end_is_true(conn, dir, read)) {
        if (!tell_end(conn, dir, copy, &how))
            return how;
        read = CONN_END_SURE; /* the sink has been told so */
    }
    conn_source_ended(conn, dir, read);
    return SOURCE_OVER;
}

/* n: what copy_read returned instead of bytes. */
static enum carried end_carrying(struct conn *conn, enum direction dir, struct copy *copy,
                                 ssize_t n) {
    if (n == -EINTR)
        return PARKED;
    bool broken = n == COPY_BROKEN || n == COPY_ALERTED;
    bool expired = copy_speaks_tls(copy) && conn_is_expired(conn);
    bool within = copy_is_torn(copy) || n == -ENOMEM; /* there is more, which is lost */
    char why[TLS_REASON_MAX] = "";

    /* silent_wake in conn_end.c: the end that is read is our own, unless it is within a record */
    if (n == 0 || (expired && !broken && !within))
        return pass_end(conn, dir, copy);
    if (copy_speaks_tls(copy))
        copy_why(copy, n, atomic_load(&conn->state->flow[dir].first) != 0, why);
    if (n == COPY_CUT && !copy_is_torn(copy))
        conn_source_left(conn, dir, why);
    else if (n == COPY_CUT)
        conn_source_cut(conn, dir, 0, why);
    else if (broken)
        conn_source_cut(conn, dir, n == COPY_ALERTED ? ECONNABORTED : EPROTO, why);
    else if (expired)
        conn_source_cut(conn, dir, (int)-n, why);
    else
        conn_source_failed(conn, dir, (int)-n, why);
    return SOURCE_OVER;
}

static enum carried carry_bytes(struct conn *conn, enum direction dir, struct copy *copy) {
    int from = conn->fd[conn_source(dir)];
    enum carried how;
    ssize_t n;

    if (copy->in_hand > 0 && !deliver_bytes(conn, dir, copy, &how))
        return how;
    while ((n = copy_read(copy, from)) > 0)
        if (!deliver_bytes(conn, dir, copy, &how))
            return how;
    return end_carrying(conn, dir, copy, n);
}

/* Nobody wants what the source still sends; reading it lets the source come to its end. */
static enum carried drop_bytes(struct conn *conn, enum direction dir, char *buffer) {
    int from = conn->fd[conn_source(dir)];

    while (!atomic_load(&conn->over)) {
        if (conn_parks(conn))
            return PARKED;
        ssize_t n = recv(from, buffer, COPY_BUFFER_SIZE, 0);

        if (n == 0)
            break;
        if (n < 0 && errno != EINTR) {
            conn_source_failed(conn, dir, errno, "");
            break;
        }
    }
    return SOURCE_OVER;
}

static enum carried copy_all(struct conn *conn, enum direction dir, struct pump_room *room) {
    struct tls_session *from = conn->tls[conn_source(dir)], *to = conn->tls[conn_sink(dir)];

    if (conn_kept_passage(conn, dir, &room->kept_passage)) {
        int source = conn->fd[conn_source(dir)];

        copy_passage_init(&room->passage, &room->kept_passage, from, to, room->buffers, source);
        copy_init_passage(&room->copy, &room->passage, source);
    } else if (conn_kept_pipe(conn, dir, &room->kept)) {
        copy_init_kept(&room->copy, &room->kept, room->buffer);
    } else if (from != NULL || to != NULL) {
        copy_tls_init(&room->tls, from, to, room->buffers, &conn->state->flow[dir].active);
        copy_init_tls(&room->copy, &room->tls);
    } else {
        copy_init(&room->copy, conn->state->options.copy, conn->pipes, room->buffer);
    }
    enum carried how = carry_bytes(conn, dir, &room->copy);
    copy_release(&room->copy);
    return how;
}

void carry_run(struct conn *conn, enum direction dir, struct pump_room *room) {
    enum conn_work work = conn_work(conn, dir);
    enum carried how = work == CONN_NOTHING ? SOURCE_OVER : SINK_OVER;

    if (work == CONN_CARRY)
        how = copy_all(conn, dir, room);
    if (how == SINK_OVER)
        how = drop_bytes(conn, dir, room->buffer);
    if (how == PARKED)
        atomic_store(&conn->parked, true);
}
