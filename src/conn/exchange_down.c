/* From the server: answers are awaited and read, and one that does not come is made up for. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/kill_point.h"
#include "base/stats.h"
#include "conn/exchange_down.h"

bool exchange_is_over(struct exchange_side *down) {
    return exchange_is_closing_now(down->exchange) || atomic_load(&down->conn->over);
}

struct exchange_standing exchange_look(struct exchange *exchange, bool gone) {
    lock_acquire(&exchange->lock);
    struct exchange_standing standing = {.under_way = exchange->under_way,
                                         .client_ended = exchange->client_ended,
                                         .read_whole = exchange->read_whole,
                                         .leg_cut = exchange->leg_cut,
                                         .fault = exchange->fault};
    if (gone)
        exchange->leg = LEG_LEAVING; /* no request begins over it */
    lock_release(&exchange->lock);
    return standing;
}

/* Ends */

enum down_next exchange_answer_instead(struct exchange_side *down, int status, enum end end) {
    struct exchange *exchange = down->exchange;

    if (atomic_load(&down->conn->over) && !conn_is_expired(down->conn))
        return DOWN_OVER;
    down->next.end = (uint8_t)end;
    int r = exchange_answer(down, status, end, true);
    if (r == -EINTR)
        return DOWN_OVER;
    exchange_end_request(down, true);
    if (r < 0) {
        exchange_stop_down(exchange);
        (void)conn_abort(down->conn, end, 0); /* told even if the client has gone meanwhile */
    } else {
        exchange_end_client(down, end);
    }
    return DOWN_OVER;
}

enum down_next exchange_answer_bad(struct exchange_side *down, const char *why) {
    exchange_note_why(down->exchange, why);
    return exchange_answer_instead(down, 502, END_BAD_ANSWER);
}

enum end exchange_note_fault(struct exchange *exchange, uint16_t fault) {
    if (fault == 413)
        return END_BODY_LARGE;
    exchange_note_why(exchange, WHY_BAD_CHUNKS);
    return END_BAD_REQUEST;
}

/* Its time was up before an answer had begun: the server's, or the client's for the body of its
 * request (RFC 9110, 15.6.5 and 15.5.9), or relayd's. */
static enum down_next answer_expired(struct exchange_side *down) {
    enum end end = conn_end(down->conn);
    int status = end == END_ANSWER_TIMEOUT ? 504 : end == END_IDLE ? 408 : 503;

    return exchange_answer_instead(down, status, end);
}

/* cut_answer */
enum down_next exchange_cut_answer(struct exchange_side *down, enum end end, int error) {
    exchange_stop_down(down->exchange);
    (void)conn_abort(down->conn, end, error);
    return DOWN_OVER;
}

/* A server that took a new connection and said nothing is asked again only if there is no other;
 * one that ended an old one, first of all. */
static void turn_from_mute(struct exchange *exchange) {
    lock_acquire(&exchange->lock);
    bool fresh = exchange->fresh;
    lock_release(&exchange->lock);
    if (!fresh)
        return;
    member_unref(exchange->wanted);
    member_unref(exchange->mute);
    exchange->wanted = NULL;
    exchange->mute = conn_member(exchange->conn);
}

/* stale_leg: once more. */
static enum down_next send_again(struct exchange_side *down) {
    struct exchange *exchange = down->exchange;
    struct exchange_request *request = exchange->request;
    struct iovec parts[HTTP_OUT_PARTS];

    (void)shutdown(down->conn->fd[SIDE_SERVER], SHUT_RDWR); /* up's send, if it is in one, fails */
    if (!exchange_await(exchange, exchange_has_sent, USEC_NEVER))
        return DOWN_OVER;
    turn_from_mute(exchange);
    exchange_drop_leg(exchange);
    enum end end = exchange_dial(exchange, request->route);
    exchange_note_leg(exchange);
    exchange_name_server(exchange);
    if (end != END_NONE && exchange_parks(exchange))
        return DOWN_OVER;
    if (end == END_NONE && atomic_load(&down->conn->over)) /* nothing would wake who reads there */
        return conn_is_expired(down->conn) ? answer_expired(down) : DOWN_OVER;
    if (end != END_NONE && !atomic_load(&down->conn->over))
        conn_decide_end(down->conn, end, exchange->dial_error);
    if (end != END_NONE) {
        exchange_note_no_leg(exchange, end);
        return exchange_answer_instead(down, exchange_dial_status(end), end);
    }
    exchange_note_request(exchange);
    KILL_POINT(AGAIN);
    request->note->retries = request->sent++;
    stats_add(STAT_requests_again, 1);
    exchange_set_phase(exchange, EXCHANGE_ANSWER);
    memcpy(parts, request->out.parts, request->out.n * sizeof(*parts));
    exchange_read_from(down);
    int r = exchange_send(down, SIDE_SERVER, parts, request->out.n);
    if (r < 0) /* which is read, too */
        exchange_leg_failed(exchange, r);
    return DOWN_NEXT;
}

/* The leg has ended before an answer was whole enough to be passed on. n: what stream_fill returned
 * instead of bytes. fault: of the request, that it has ended for; or 0. */
static enum down_next answer_missing(struct exchange_side *down, ssize_t n, bool in_head,
                                     uint16_t fault) {
    const char *error = n < 0 ? strerrordesc_np((int)-n) : NULL; /* NULL, too: TLS broke off */

    if (fault != 0)
        return exchange_answer_instead(down, fault, exchange_note_fault(down->exchange, fault));
    if (in_head)
        exchange_note_why(down->exchange, "it ended within the head of its answer");
    else if (error != NULL)
        exchange_note_why(down->exchange, error);
    return exchange_answer_instead(down, 502, END_NO_ANSWER);
}

/* The leg ended (n) before an answer had begun. */
static enum down_next end_without_answer(struct exchange_side *down, ssize_t n) {
    struct exchange *exchange = down->exchange;
    struct exchange_standing standing = exchange_look(exchange, true);
    bool expired = conn_is_expired(down->conn);

    if (exchange_is_over(down) && !expired)
        return DOWN_OVER;
    if (!standing.under_way) {
        exchange_drop_leg(exchange);
        return expired ? DOWN_OVER : DOWN_LEG;
    }
    if (expired)
        return answer_expired(down);
    if (exchange->request->repeatable && exchange->request->sent <= EXCHANGE_REPEATS)
        return send_again(down);
    return answer_missing(down, n, false, standing.fault);
}

/* The head of one answer, from its first byte on. */
static enum down_next take_head(struct exchange_side *down) {
    struct exchange *exchange = down->exchange;
    unsigned interim = 0;
    struct http1_fault fault;
    size_t seen = 0; /* bytes of it that were looked at */

    exchange_note_first_byte(exchange);
    KILL_POINT(ANSWER_PEEKED);
    for (;;) {
        struct exchange_request *request = exchange->request;
        enum http1_outcome outcome = HTTP1_MORE;

        if (http1_has_news(stream_first(&down->in), seen, stream_in_hand(&down->in)))
            outcome = http1_parse_answer(stream_first(&down->in), stream_in_hand(&down->in),
                                         request->head.method, &request->answer_head, &fault);
        seen = stream_in_hand(&down->in);
        if (outcome == HTTP1_BAD)
            return exchange_answer_bad(down, fault.why);
        if (outcome == HTTP1_MORE && stream_in_hand(&down->in) == down->in.size)
            return exchange_answer_bad(down, "its head is longer than the buffer");
        if (outcome == HTTP1_WHOLE && request->answer_head.status == 101)
            return exchange_pass_upgrade(down);
        if (outcome == HTTP1_WHOLE && request->answer_head.status >= 200)
            return exchange_pass_final(down);
        if (outcome == HTTP1_WHOLE) {
            enum down_next next = exchange_pass_interim(down, &interim);

            if (next != DOWN_NEXT)
                return next;
            seen = 0;
            if (stream_in_hand(&down->in) > 0)
                continue;
        }
        stream_compact(&down->in);
        ssize_t n = exchange_fill(down);
        if (n == -EINTR) /* it parks */
            return DOWN_OVER;
        if (n <= 0 && stream_in_hand(&down->in) == 0)
            return end_without_answer(down, n);
        if (n <= 0)
            return conn_is_expired(down->conn) ? answer_expired(down)
                   : exchange_is_over(down)
                       ? DOWN_OVER
                       : answer_missing(down, n, true, exchange_look(exchange, true).fault);
    }
}

/* Bytes have come. Whether nobody has asked for them (unasked). Up ends the client, whether it
 * waits for a request or has one in hand: it looks once this leg has gone. */
static bool leaves_unasked(struct exchange_side *down) {
    struct exchange *exchange = down->exchange;

    lock_acquire(&exchange->lock);
    bool unasked = !exchange->under_way, fresh = exchange->fresh;
    if (unasked)
        exchange->leg = LEG_LEAVING;
    lock_release(&exchange->lock);
    if (!unasked)
        return false;
    if (!exchange_shares(exchange))
        conn_expire(down->conn, fresh ? END_BAD_ANSWER : END_SERVER_ENDED);
    exchange_drop_leg(exchange);
    return true;
}

/* Waits for the next bytes of the leg, and deals with what they are. */
static enum down_next serve_leg(struct exchange_side *down) {
    stream_compact(&down->in);
    ssize_t n = exchange_fill(down);

    if (n == -EINTR && exchange_yields(down->exchange)) {
        exchange_share_leg(down);
        return DOWN_LEG;
    }
    if (n == -EINTR) /* it parks, or up waits no longer for the leg */
        return exchange_parks(down->exchange) ? DOWN_OVER : DOWN_NEXT;
    if (n <= 0)
        return end_without_answer(down, n);
    if (exchange_is_over(down))
        return DOWN_OVER;
    return leaves_unasked(down) ? DOWN_LEG : take_head(down);
}

void exchange_down(struct exchange_side *down) {
    enum down_next next = down->exchange->resumes ? exchange_resume_down(down) : DOWN_LEG;

    while (next != DOWN_OVER) {
        if (next == DOWN_LEG) {
            if (!exchange_await(down->exchange, exchange_has_leg, USEC_NEVER) ||
                exchange_is_over(down))
                return;
            exchange_read_from(down);
        }
        next = serve_leg(down);
    }
}
