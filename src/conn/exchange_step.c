/* by_steps: what an exchange sends, in a way that the next process can finish. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/kill_point.h"
#include "base/nonce_watch.h"
#include "conn/exchange_area.h"
#include "conn/exchange_inside.h"
#include "conn/flow.h"
#include "conn/source.h"
#include "conn/stream_tls.h"
#include "conn/unsent.h"
#include "tls/session.h"

_Static_assert(sizeof(struct exchange_area) <= TABLE_AREA_SIZE, "an area has room for it");

bool exchange_is_kept(const struct exchange *exchange) {
    return exchange->conn->passages != NULL;
}

struct exchange_area *exchange_lend_area(struct exchange *exchange) {
    struct conn *conn = exchange->conn;

    if (exchange->area == NULL)
        exchange->area = table_lend_area(conn->hold.link->table, conn->hold.slot);
    return exchange->area;
}

void exchange_return_area(struct exchange *exchange) {
    struct conn *conn = exchange->conn;

    if (exchange->area == NULL)
        return;
    exchange->area = NULL;
    table_return_area(conn->hold.link->table, conn->hold.slot);
}

/* Where the marks say that it stands. */
static void begin_marked(struct exchange_side *side, int fd) {
    const struct passage_mark *mark = passage_now(&side->conn->passages->way[side->dir]);
    bool stored = mark->exchange.stored > 0;
    char *bytes = stored ? exchange_lend_area(side->exchange)->in[side->dir] : side->room->buffer;

    stream_begin_kept(&side->in, fd, &side->room->passage, bytes, PUMP_BUFFER_SIZE, mark->read,
                      mark->exchange.skip, mark->exchange.stored);
}

/* A leg that is new to its reader. If that has a step to finish, that is its last one. */
static void begin_leg(struct exchange_side *side, int fd) {
    struct conn *conn = side->conn;
    const struct passage_leg *leg = &conn->passages->leg;

    stream_begin_kept(&side->in, fd, &side->room->passage, side->room->buffer, PUMP_BUFFER_SIZE,
                      leg->read, 0, 0);
    side->room->passage.taken = side->room->passage.seen = 0;
    side->room->passage.over = false;
    side->next.leg = leg->cookie;
    if (!conn->rest[side->dir].undone)
        exchange_mark(side);
}

static void begin_kept(struct exchange_side *side, enum side from, int fd) {
    struct conn *conn = side->conn;
    struct pump_room *room = side->room;

    side->next = passage_now(&conn->passages->way[side->dir])->exchange;
    side->next.stored = side->next.skip = 0; /* the stream's, from now on: stream_mark */
    (void)conn_kept_passage(conn, side->dir, &room->kept_passage);
    room->kept_passage.parks = &conn->registry->rests;
    copy_passage_init(&room->passage, &room->kept_passage, conn->tls[from], NULL, room->buffers,
                      fd);
    room->passage.resumes = false; /* exchange_resume_step sees to that */
    if (side->dir == DIR_DOWN && side->next.leg != conn->passages->leg.cookie)
        begin_leg(side, fd);
    else
        begin_marked(side, fd);
}

void exchange_read_from(struct exchange_side *side) {
    enum side from = conn_source(side->dir);
    struct conn *conn = side->conn;
    int fd = conn->fd[from];

    stream_end(&side->in);
    if (exchange_is_kept(side->exchange)) {
        begin_kept(side, from, fd);
        return;
    }
    stream_begin(&side->in, fd, conn->tls[from], &side->room->tls, side->room->buffers,
                 &conn->state->flow[side->dir].active, side->room->buffer, PUMP_BUFFER_SIZE);
}

/* What goes out in one step. */
struct bytes_out {
    uint8_t *bytes;
    size_t size;  /* on the wire */
    size_t plain; /* of the parts */
};

static void gather_plain(struct bytes_out *out, struct iovec **parts, size_t *n) {
    while (*n > 0 && out->plain < EXCHANGE_STEP_MOST) {
        size_t left = EXCHANGE_STEP_MOST - out->plain,
               taken = (*parts)->iov_len < left ? (*parts)->iov_len : left;

        memcpy(out->bytes + out->plain, (*parts)->iov_base, taken);
        out->plain += taken;
        stream_advance(parts, n, taken);
    }
    out->size = out->plain;
}

/* Bytes of the side's session to be sent, if it speaks TLS. 0 or -errno. */
static int make_bytes(struct exchange_side *side, enum side to, struct iovec **parts, size_t *n,
                      struct bytes_out *out) {
    struct tls_session *session = side->conn->tls[to];

    *out = (struct bytes_out){.bytes = exchange_lend_area(side->exchange)->out[side->dir]};
    stream_advance(parts, n, 0);
    if (session == NULL) {
        gather_plain(out, parts, n);
        return 0;
    }
    if (!tls_session_begin_writing(session))
        return -EPIPE;
    ssize_t size = stream_seal(session, parts, n, EXCHANGE_STEP_MOST, out->bytes, &out->plain);
    out->size = size > 0 ? (size_t)size : 0;
    return size < 0 ? (int)size : 0;
}

static void commit_message(struct exchange_side *side, enum side to, size_t size, uint64_t bytes) {
    struct passage *passage = &side->conn->passages->way[side->dir];
    struct passage_mark *draft = passage_draft(passage);
    const struct tls_session *session = side->conn->tls[to];

    draft->exchange = side->next;
    if (side->body != NULL)
        draft->exchange.body = *side->body;
    stream_mark(&side->in, draft);
    side->exchange->sent[to] += size;
    draft->sent[to] = side->exchange->sent[to];
    draft->out[to] = passage_keys_out(session);
    draft->bytes = bytes;
    draft->size = (uint32_t)size;
    draft->sink = (uint8_t)to;
    draft->step = PASSAGE_MESSAGE;
    KILL_POINT_DIR(NOTED, side->dir);
    passage_commit(passage);
    KILL_POINT_DIR(COMMITTED, side->dir);
    if (session != NULL)
        passage_note_owed(&side->conn->passages->side[to], session);
}

/* From `done` on. */
static int send_bytes_out(struct exchange_side *side, enum side to, const uint8_t *bytes,
                          size_t size, size_t done) {
    NONCES_LEAVE();
    while (done < size) {
        ssize_t n = send(side->conn->fd[to], bytes + done, SHORT_SEND(size - done), MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return -unsent_error(side->conn->fd[to], errno, done > 0);
        done += n > 0 ? (size_t)n : 0;
        if (done < size)
            KILL_POINT_DIR(SENT_PART, side->dir);
        if (done < size && exchange_parks(side->exchange)) {
            passage_halt(&side->conn->passages->way[side->dir], done);
            return -EINTR;
        }
    }
    return 0;
}

/* The sink has failed: nobody sends the rest. Another leg may come to be there. */
static void give_up_step(struct exchange_side *side) {
    stream_settle(&side->in);
    passage_done(&side->conn->passages->way[side->dir]);
}

/* What was taken counts as done with the last of several steps. counted: as the direction's. */
static int make_step(struct exchange_side *side, enum side to, struct iovec **parts, size_t *n,
                     bool counted, uint64_t *ret_plain) {
    struct flow *flow = &side->conn->state->flow[side->dir];
    struct tls_session *session = side->conn->tls[to];
    struct bytes_out out;
    size_t taken = side->in.taken;
    int r = make_bytes(side, to, parts, n, &out);

    if (r < 0)
        return r;
    if (*n > 0) {
        atomic_store(&flow->in_memory, true); /* what is left of it would be lost */
        side->in.taken = 0;
    }
    commit_message(side, to, out.size,
                   atomic_load_explicit(&flow->bytes, memory_order_relaxed) +
                       (counted ? out.plain : 0));
    r = send_bytes_out(side, to, out.bytes, out.size, 0);
    if (r < 0) {
        side->in.taken = taken;
        if (r != -EINTR && *n == 0) /* else it is lost with this process */
            give_up_step(side);
        return r;
    }
    if (session != NULL)
        tls_session_end_writing(session);
    *ret_plain += out.plain;
    KILL_POINT_DIR(SENT, side->dir);
    stream_settle(&side->in);
    KILL_POINT_DIR(DISCARDED, side->dir);
    passage_done(&side->conn->passages->way[side->dir]);
    if (*n > 0)
        side->in.taken = taken;
    return 0;
}

int exchange_step(struct exchange_side *side, enum side to, struct iovec *parts, size_t n,
                  bool counted, uint64_t *ret_plain) {
    struct flow *flow = &side->conn->state->flow[side->dir];
    bool counts = counted && to == conn_sink(side->dir);
    bool long_one = false, dies = atomic_load(&flow->in_memory); /* its leg does: let_in */
    int r;

    do {
        r = make_step(side, to, &parts, &n, counts, ret_plain);
        long_one |= n > 0;
    } while (r == 0 && n > 0);
    if (long_one && r == 0)
        atomic_store(&flow->in_memory, dies);
    return r;
}

int exchange_step_end(struct exchange_side *side, enum side to) {
    struct tls_session *session = side->conn->tls[to];
    struct flow *flow = &side->conn->state->flow[side->dir];
    uint8_t *bytes = exchange_lend_area(side->exchange)->out[side->dir];

    if (session == NULL)
        return 0;
    if (!tls_session_begin_writing(session))
        return -EPIPE;
    ssize_t n = tls_session_seal_end(session, bytes); /* nothing is sealed after it */
    if (n < 0)
        return (int)n;
    commit_message(side, to, (size_t)n, atomic_load(&flow->bytes));
    int r = send_bytes_out(side, to, bytes, (size_t)n, 0);
    if (r == 0) {
        stream_settle(&side->in);
        passage_done(&side->conn->passages->way[side->dir]);
    }
    return r;
}

/* A mark of a step that sends nothing. */
static struct passage_mark *draft_silent(struct exchange_side *side) {
    struct passage_mark *draft = passage_draft(&side->conn->passages->way[side->dir]);

    if (side->dir == DIR_DOWN && draft->exchange.leg != side->next.leg)
        draft->sent[SIDE_SERVER] = 0; /* that was another leg */
    draft->exchange = side->next;
    if (side->body != NULL)
        draft->exchange.body = *side->body;
    draft->size = 0;
    draft->sink = (uint8_t)conn_sink(side->dir);
    draft->step = PASSAGE_MESSAGE;
    return draft;
}

void exchange_mark(struct exchange_side *side) {
    struct passage *passage = &side->conn->passages->way[side->dir];

    stream_mark(&side->in, draft_silent(side));
    passage_commit(passage);
    stream_settle(&side->in);
    passage_done(passage);
}

/* It is a head, or the beginning of one, that is not whole. */
static void store_in_hand(struct exchange_side *side) {
    struct passage *passage = &side->conn->passages->way[side->dir];

    if (side->in.taken > 0)
        exchange_mark(side);
    if (side->in.fresh == 0)
        return;
    stream_move(&side->in, exchange_lend_area(side->exchange)->in[side->dir]);
    stream_mark_stored(&side->in, draft_silent(side));
    passage_commit(passage);
    stream_settle_stored(&side->in);
    passage_done(passage);
}

/* A client that has not asked yet is held once it is waited for: most have, and then the keeper is
 * told once, of both sockets (keep_leg in exchange_leg.c). */
static void hold_silent_client(struct exchange_side *side) {
    struct conn *conn = side->conn;
    char first;

    if (side->dir == DIR_UP && !atomic_load_explicit(&conn->hold.told, memory_order_relaxed) &&
        recv(side->in.fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
        link_hold(&conn->hold, conn->fd);
}

ssize_t exchange_fill(struct exchange_side *side) {
    bool kept = exchange_is_kept(side->exchange);
    ssize_t n;

    if (kept)
        hold_silent_client(side);
    do {
        if (kept && (side->in.taken > 0 || stream_in_hand(&side->in) > 0))
            store_in_hand(side);
        if (kept && stream_in_hand(&side->in) == 0) /* the area may be another's by then */
            stream_move(&side->in, side->room->buffer);
        n = stream_fill(&side->in);
    } while (n == -EINTR && !exchange_parks(side->exchange) && !exchange_yields(side->exchange));
    return n;
}

/* The sink has failed; what the step was made of is not read again. */
static int drop_step(struct exchange_side *side) {
    struct conn *conn = side->conn;
    struct passage_rest *rest = &conn->rest[side->dir];
    int from = conn->fd[conn_source(side->dir)];

    if (rest->unsure)
        return COPY_UNLIKE;
    source_discard(from, source_is_tcp(from), (size_t)rest->left, side->dir);
    if (passage_is_made_again(passage_now(&conn->passages->way[side->dir])))
        side->room->passage.taken = side->room->passage.seen =
            passage_now(&conn->passages->way[side->dir])->stashed;
    rest->undone = false;
    passage_done(&conn->passages->way[side->dir]);
    return -EPIPE;
}

int exchange_resume_step(struct exchange_side *side) {
    struct conn *conn = side->conn;
    const struct passage_rest *rest = &conn->rest[side->dir];
    const struct passage_mark *now = passage_now(&conn->passages->way[side->dir]);
    enum side from = conn_source(side->dir);
    int r = 0;

    if (!rest->undone)
        return 0;
    if (rest->spliced)
        return exchange_resume_splice(side);
    if (rest->dead)
        return drop_step(side);
    if (now->step != PASSAGE_MESSAGE) {
        struct copy_passage *copy = &side->room->passage;
        uint64_t written;

        copy->to = conn->tls[conn_sink(side->dir)];
        copy->heeds = false;
        copy->resumes = true;
        r = copy_passage_write(copy, conn->fd[from], conn->fd[conn_sink(side->dir)], &written);
        copy->to = NULL;
        copy->heeds = true;
    } else {
        passage_go_on(&conn->passages->way[side->dir]);
        if (now->size > 0)
            r = send_bytes_out(side, (enum side)now->sink,
                               exchange_lend_area(side->exchange)->out[side->dir], now->size,
                               (size_t)rest->done);
        if (r == 0)
            source_discard(conn->fd[from], source_is_tcp(conn->fd[from]), (size_t)rest->left,
                           side->dir);
    }
    if (r == -EINTR || r == COPY_UNLIKE)
        return r;
    if (r < 0) { /* as if it had been found so */
        (void)drop_step(side);
        return r;
    }
    conn->rest[side->dir].undone = false;
    passage_done(&conn->passages->way[side->dir]);
    return 0;
}

/* One that is made again begins where the source stands. */
void exchange_forgo_step(struct exchange_side *side) {
    const struct passage *passage = &side->conn->passages->way[side->dir];
    struct passage_rest *rest = &side->conn->rest[side->dir];

    if (!rest->undone || (rest->again && passage_is_made_again(passage_now(passage))))
        return;
    rest->dead = true;
    int r = exchange_resume_step(side);
    (void)r; /* nobody reads what else comes of it */
}
