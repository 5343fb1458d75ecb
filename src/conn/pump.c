#include "conn/pump.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/sockopt.h"
#include "conn/answer.h"
#include "conn/copy.h"

/* Before the write: the bytes are in hand, and since now the direction is not idle. The kernel's
 * socket lock orders this store before whatever the write does (stolen_error in conn_end.c relies
 * on it).
 *
 * spoke: whose bytes came last, the client's or the server's (conn_is_asked). It is
 * noted before the bytes are written, so no answer, and no next question, is quicker. Each pump
 * writes to its own flow alone: a word that both of them used would go from one processor to the
 * other and back with each request, for 0.1 to 0.6 us; the exact clock takes 0.05. */
static void begin_writing(struct flow *flow) {
    usec_t now = clock_now();

    atomic_store_explicit(&flow->writing, true, memory_order_relaxed);
    atomic_store_explicit(&flow->spoke, now, memory_order_relaxed);
    if (atomic_load_explicit(&flow->first, memory_order_relaxed) == 0)
        atomic_store_explicit(&flow->first, now, memory_order_relaxed);
    atomic_store_explicit(&flow->active, clock_coarse(), memory_order_relaxed);
}

static void end_writing(struct flow *flow, const struct copy *copy) {
    atomic_store_explicit(&flow->bytes, copy->written, memory_order_relaxed);
    atomic_store_explicit(&flow->active, clock_coarse(), memory_order_relaxed);
    atomic_store_explicit(&flow->writing, false, memory_order_release);
}

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

    begin_writing(flow);
    int r = copy_write(copy, conn->fd[conn_sink(dir)]);
    if (r < 0 && r != -EINTR)
        conn_sink_failed(conn, dir, -r); /* before end_writing: stolen_error in conn_end.c */
    end_writing(flow, copy);
    *ret = r == -EINTR ? PARKED : SINK_OVER;
    return r == 0;
}

/* close_notify goes before the end of the socket, and may have to wait for room like all else. */
static bool tell_end(struct conn *conn, enum direction dir, struct copy *copy) {
    struct flow *flow = &conn->state->flow[dir];

    conn_begin_to_tell(conn, dir);
    atomic_store_explicit(&flow->writing, true, memory_order_relaxed);
    int r = copy_end(copy, conn->fd[conn_sink(dir)]);
    if (r < 0)
        conn_sink_failed(conn, dir, -r);
    end_writing(flow, copy);
    return r == 0;
}

static enum carried pass_end(struct conn *conn, enum direction dir, struct copy *copy) {
    uint64_t read = copy_end_is_sure(copy) ? CONN_END_SURE
                    : copy->tls != NULL    ? copy->received
                                           : copy->written;

    if (copy_tells_end(copy) && conn_end_is_true(conn, dir, read)) {
        if (!tell_end(conn, dir, copy))
            return SINK_OVER;
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
    /* silent_wake in conn_end.c: the end that is read is our own, unless it is within a record */
    if (n == 0 ||
        (copy->tls != NULL && !broken && conn_is_expired(conn) && !copy_tls_is_torn(copy->tls)))
        return pass_end(conn, dir, copy);
    if (n == COPY_CUT && !copy_tls_is_torn(copy->tls))
        conn_source_left(conn, dir);
    else if (n == COPY_CUT)
        conn_source_cut(conn, dir, 0);
    else if (broken)
        conn_source_cut(conn, dir, (int)-n);
    else
        conn_source_failed(conn, dir, (int)-n);
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
            conn_source_failed(conn, dir, errno);
            break;
        }
    }
    return SOURCE_OVER;
}

static enum carried copy_all(struct conn *conn, enum direction dir, struct pump_room *room) {
    struct tls_session *from = conn->tls[conn_source(dir)], *to = conn->tls[conn_sink(dir)];

    if (conn_kept_pipe(conn, dir, &room->kept)) {
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

/* A client that was refused is answered once it has begun to ask, or has not for a while. */
static void answer_refused(struct conn *conn) {
    usec_t most = conn->state->options.linger_timeout / 2; /* the rest is for reading it */
    usec_t patience = most < ANSWER_PATIENCE ? most : ANSWER_PATIENCE;
    usec_t until = clock_now() + patience;
    int fd = conn->fd[SIDE_CLIENT];
    char byte;

    bool bounded = sockopt_set_receive_timeout(fd, patience) == 0;
    while (bounded && recv(fd, &byte, 1, MSG_PEEK) < 0 && errno == EINTR && clock_now() < until &&
           !atomic_load(&conn->over))
        continue;
    if (bounded && sockopt_set_receive_timeout(fd, 0) < 0)
        return;
    answer_send(fd, conn->tls[SIDE_CLIENT], conn->state->record.end, conn->pages);
    atomic_store(&conn->state->flow[DIR_UP].active, clock_coarse());
}

void pump_run(struct conn *conn, enum direction dir, struct pump_room *room) {
    enum conn_work work = conn_work(conn, dir);
    enum carried how = work == CONN_NOTHING ? SOURCE_OVER : SINK_OVER;

    if (conn->fd[SIDE_SERVER] < 0)
        answer_refused(conn);
    if (work == CONN_CARRY)
        how = copy_all(conn, dir, room);
    if (how == SINK_OVER)
        how = drop_bytes(conn, dir, room->buffer);
    if (how == PARKED)
        atomic_store(&conn->parked, true);
}
