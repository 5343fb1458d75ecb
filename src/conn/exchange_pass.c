/* An answer that was read goes on: to the client, with its body. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/kill_point.h"
#include "conn/exchange_body.h"
#include "conn/exchange_down.h"

/* One that is passed on. */
struct incoming {
    struct passage_body body;
    bool close;  /* the client's connection ends behind it, */
    bool drains; /* perhaps since the relay drains */
    bool leaves; /* the leg ends behind it */
    bool early;  /* it began before all of the request had been read */
};

static int send_down(struct exchange_side *down, struct iovec *parts, size_t n) {
    int r = n > 0 ? exchange_send(down, SIDE_CLIENT, parts, n) : 0;

    if (r < 0 && r != -EINTR)
        conn_sink_failed(down->conn, DIR_DOWN, -r);
    return r;
}

/* It failed: r, as send_down returned it; -EINTR: it parks. */
static enum down_next end_sending(struct exchange_side *down, int r, enum end end) {
    return r == -EINTR ? DOWN_OVER : exchange_cut_answer(down, end, 0);
}

/* The leg has ended within the body. For a body until the end that is its end, if it is true. */
static enum down_next end_within(struct exchange_side *down, struct incoming *answer, ssize_t n) {
    struct conn *conn = down->conn;
    struct exchange_standing standing = exchange_look(down->exchange, false);
    uint64_t read = stream_end_is_sure(&down->in) ? CONN_END_SURE : down->in.received;
    struct iovec last = {(void *)(uintptr_t)HTTP1_LAST_CHUNK, strlen(HTTP1_LAST_CHUNK)};

    if (n == -EINTR)
        return DOWN_OVER;
    if (conn_is_expired(conn))
        return exchange_cut_answer(down, conn_end(conn), 0);
    if (standing.fault != 0 && !exchange_is_over(down))
        return exchange_cut_answer(down, exchange_note_fault(down->exchange, standing.fault), 0);
    if (answer->body.framing != HTTP1_UNTIL_END || n != 0 || standing.leg_cut ||
        exchange_is_over(down) || !conn_end_is_true(conn, DIR_DOWN, read))
        return exchange_cut_answer(down, n < 0 && n != COPY_CUT ? END_SERVER_RESET : END_ANSWER_CUT,
                                   n < 0 && n != COPY_CUT ? (int)-n : 0);
    answer->leaves = down->next.leaves = true;
    answer->body.over = true;
    int r = answer->body.in_chunks ? send_down(down, &last, 1) : 0;
    return r < 0 ? end_sending(down, r, END_CLIENT_RESET) : DOWN_NEXT;
}

static enum down_next pass_answer_body(struct exchange_side *down, struct incoming *answer) {
    ssize_t n = 0;

    switch (exchange_body_pass(down, &answer->body, &n)) {
    case EXCHANGE_BODY_BAD:
        exchange_note_why(down->exchange, WHY_BAD_CHUNKS);
        return exchange_cut_answer(down, END_BAD_ANSWER, 0);
    case EXCHANGE_SINK_OVER:
        if (n == -EINTR)
            return DOWN_OVER;
        conn_sink_failed(down->conn, DIR_DOWN, (int)-n);
        return exchange_cut_answer(down, END_CLIENT_LEFT, 0);
    case EXCHANGE_SOURCE_OVER:
        return end_within(down, answer, n);
    case EXCHANGE_CARRIED:
    default:
        return DOWN_NEXT;
    }
}

/* by_steps: no process answers it again. end: what the client is to be given. */
static void note_answered(struct exchange_side *down, enum end end) {
    down->body = NULL;
    down->next.count++;
    down->next.phase = PASSAGE_HEADS;
    down->next.end = (uint8_t)end;
    if (exchange_is_kept(down->exchange))
        exchange_mark(down);
    KILL_POINT(FINISHED);
}

/* Whether bytes are there that nobody has asked for. What was carried in bulk ended with the body,
 * and what filled the buffer may have, so that these are in the socket yet, and would be the next
 * answer. */
static bool has_unasked(const struct exchange_side *down, const struct passage_body *body) {
    const struct conn *conn = down->conn;
    const struct stream *in = &down->in;
    bool bulk = body->framing == HTTP1_LENGTH && body->length >= PUMP_BUFFER_SIZE;
    char first;

    if (stream_has_more(in))
        return true;
    if (in->kept != NULL && in->taken > 0) /* it is in the socket yet, too */
        return false;
    return (bulk || in->have >= in->size) && conn->tls[SIDE_SERVER] == NULL &&
           recv(conn->fd[SIDE_SERVER], &first, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* The answer is whole: the next request may come, or the client is given its end. */
static enum down_next finish_answer(struct exchange_side *down, const struct incoming *answer) {
    struct exchange *exchange = down->exchange;
    exchange_note_whole(exchange);
    struct exchange_standing standing = exchange_look(exchange, false);
    bool unasked = has_unasked(down, &answer->body), leaves = answer->leaves || unasked;
    bool early = !standing.read_whole; /* what is still to come of the request is dropped */

    exchange_judge_leg(exchange, !leaves && !early && !answer->early);
    if (answer->close || early || standing.client_ended ||
        (unasked && answer->body.framing != HTTP1_NO_BODY && !exchange_shares(exchange))) {
        enum end end = standing.client_ended ? END_CLIENT_ENDED
                       : answer->drains      ? END_DRAIN_IDLE
                                             : END_SERVER_ENDED;
        note_answered(down, end);
        if (exchange_may_share_leg(exchange) &&
            exchange_await(exchange, exchange_has_sent, clock_now() + EXCHANGE_SENT_WAIT))
            exchange_share_leg(down);
        exchange_end_request(down, true);
        exchange_end_client(down, end);
        return DOWN_OVER;
    }
    if (!exchange_await(exchange, exchange_has_sent, clock_now() + EXCHANGE_SENT_WAIT))
        leaves = true; /* the server does not take the rest: up's send fails */
    if (exchange_parks(exchange))
        return DOWN_OVER;
    note_answered(down, END_NONE);
    if (leaves)
        exchange_drop_leg(exchange); /* before the next request can begin over it */
    exchange_end_request(down, false);
    return leaves ? DOWN_LEG : DOWN_NEXT;
}

/* A head that no body follows. */
static enum down_next pass_head(struct exchange_side *down) {
    struct exchange_request *request = down->exchange->request;
    struct http_facts facts = exchange_facts(down->exchange);

    if (http_rewrite_answer(stream_first(&down->in), &request->answer_head, &facts, false, false,
                            &request->answer_out) < 0)
        return exchange_answer_bad(down, WHY_NO_ROOM);
    stream_take(&down->in, request->answer_head.length);
    int r = send_down(down, request->answer_out.parts, request->answer_out.n);
    return r < 0 ? end_sending(down, r, END_CLIENT_LEFT) : DOWN_NEXT;
}

/* 1xx: passed on, to a client that knows it. */
enum down_next exchange_pass_interim(struct exchange_side *down, unsigned *interim) {
    struct exchange *exchange = down->exchange;
    const struct exchange_request *request = exchange->request;
    const struct http1_head *head = &request->answer_head;
    enum down_next next = DOWN_NEXT;

    if (++*interim > EXCHANGE_INTERIM_MAX)
        return exchange_answer_bad(down, "it sends more 1xx than any server should");
    if (request->head.v1_0)
        stream_take(&down->in, head->length);
    else
        next = pass_head(down);
    KILL_POINT(INTERIM_SENT);
    if (next != DOWN_NEXT)
        return next;
    if (head->status == 100)
        exchange_note_continue(exchange);
    return DOWN_NEXT;
}

/* 101: bytes alone from now on. */
enum down_next exchange_pass_upgrade(struct exchange_side *down) {
    struct exchange *exchange = down->exchange;
    const struct exchange_request *request = exchange->request;
    const struct http1_head *head = &request->answer_head;
    if (!request->upgrades)
        return exchange_answer_bad(down, "it switches protocols, which nobody has asked for");
    if (head->upgrade.n == 0) /* RFC 9110, 15.2.2 */
        return exchange_answer_bad(down, "it switches protocols, and does not say to which one");
    down->next.phase = PASSAGE_BYTES;
    enum down_next next = pass_head(down);
    KILL_POINT(UPGRADED);
    if (next != DOWN_NEXT)
        return next;
    exchange_note_answer(exchange, head->status, false);
    exchange_note_whole(exchange);
    exchange_note_upgrade(down);
    exchange_pass_bytes(down, SIDE_CLIENT);
    return DOWN_OVER;
}

/* With as much of its body as is there. */
static enum down_next send_answer_head(struct exchange_side *down,
                                       const struct exchange_body_parts *body, size_t n_body,
                                       size_t used) {
    const struct exchange_request *request = down->exchange->request;
    const struct http_out *out = &request->answer_out;
    struct iovec parts[HTTP_OUT_PARTS + EXCHANGE_BODY_PARTS];

    exchange_note_answer(down->exchange, request->answer_head.status, false);
    memcpy(parts, out->parts, out->n * sizeof(*parts));
    memcpy(parts + out->n, body->parts, n_body * sizeof(*parts));
    stream_take(&down->in, used);
    int r = send_down(down, parts, out->n + n_body);
    return r < 0 ? end_sending(down, r, END_CLIENT_LEFT) : DOWN_NEXT;
}

/* next: what its passing has come to. */
static enum down_next end_passing(struct exchange_side *down, const struct incoming *answer,
                                  enum down_next next) {
    exchange_note_body(down->exchange, DIR_DOWN, exchange_body_passed(&answer->body));
    if (next == DOWN_NEXT)
        next = finish_answer(down, answer);
    down->body = NULL;
    return next;
}

enum down_next exchange_pass_final(struct exchange_side *down) {
    struct exchange *exchange = down->exchange;
    struct exchange_request *request = exchange->request;
    const struct http1_head *head = &request->answer_head;
    struct http_facts facts = exchange_facts(exchange);
    struct exchange_standing standing = exchange_look(exchange, false);
    bool v1_0 = request->head.v1_0,
         unknown = head->framing == HTTP1_UNTIL_END || head->framing == HTTP1_CHUNKED;
    struct incoming answer = {.leaves = head->close, .drains = exchange_is_draining(exchange)};
    struct exchange_body_parts more;
    size_t used = 0;

    answer.early = !standing.read_whole;
    exchange_note_binding(exchange, stream_first(&down->in), head);
    answer.close = request->close || !standing.read_whole || standing.client_ended ||
                   (unknown && v1_0) || answer.drains;
    exchange_body_begin(&answer.body, head, unknown && !v1_0, 0);
    int r = http_rewrite_answer(stream_first(&down->in), head, &facts, answer.close,
                                answer.body.in_chunks, &request->answer_out);
    if (r < 0)
        return exchange_answer_bad(down, WHY_NO_ROOM);
    stream_take(&down->in, head->length);
    int n_more = exchange_body_take(&answer.body, &down->in, &more, &used);
    if (n_more < 0)
        return exchange_answer_bad(down, WHY_BAD_CHUNKS);
    exchange_begin_answer(exchange);
    down->body = &answer.body;
    down->next.phase = PASSAGE_BODY;
    down->next.close = answer.close;
    down->next.leaves = answer.leaves;
    down->next.early = answer.early;
    down->next.drains = answer.drains;
    enum down_next next = send_answer_head(down, &more, (size_t)n_more, used);
    KILL_POINT(ANSWER_SENT);
    if (next == DOWN_NEXT)
        next = pass_answer_body(down, &answer);
    return end_passing(down, &answer, next);
}

enum down_next exchange_continue_answer(struct exchange_side *down) {
    struct incoming answer = {.body = down->next.body,
                              .close = down->next.close,
                              .leaves = down->next.leaves,
                              .early = down->next.early,
                              .drains = down->next.drains};

    down->body = &answer.body;
    return end_passing(down, &answer, pass_answer_body(down, &answer));
}
