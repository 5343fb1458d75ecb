/* by_steps: an exchange of the previous process goes on: what its marks do not say is made anew
 * from the head of its request, which lies in the area. untrusted: as in relay/adopt.c. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "conn/exchange_area.h"
#include "conn/exchange_down.h"
#include "conn/exchange_up.h"
#include "http/match.h"

static const struct passage_exchange *marked(const struct exchange *exchange, enum direction dir) {
    return &passage_now(&exchange->conn->passages->way[dir])->exchange;
}

static bool body_is_over(const struct passage_body *body) {
    return body->over || body->framing == HTTP1_NO_BODY ||
           (body->framing == HTTP1_LENGTH && body->left == 0);
}

/* Part of the request is still to be sent on. */
static bool is_sending(const struct passage_exchange *up) {
    return (up->phase == PASSAGE_BODY || up->phase == PASSAGE_CONTINUE) && !body_is_over(&up->body);
}

bool exchange_was_under_way(const struct passages *passages) {
    const struct passage_exchange *up = &passage_now(&passages->way[DIR_UP])->exchange,
                                  *down = &passage_now(&passages->way[DIR_DOWN])->exchange;

    return up->count > down->count || up->phase == PASSAGE_BYTES || down->phase == PASSAGE_BYTES;
}

/* An answer of relayd's own, of which the next process sends the rest. */
static bool leaves_own_answer(const struct passage *up) {
    return atomic_load(&up->undone) && passage_now(up)->sink == SIDE_CLIENT;
}

bool exchange_leaves_request(const struct exchange *exchange) {
    struct conn *conn = exchange->conn;

    if (!atomic_load(&conn->parked) || exchange->request == NULL || conn->passages == NULL)
        return false;
    const struct passage *ways = conn->passages->way;
    const struct passage_exchange *up = &passage_now(&ways[DIR_UP])->exchange,
                                  *down = &passage_now(&ways[DIR_DOWN])->exchange;
    bool ends = up->end != END_NONE || down->end != END_NONE,
         bytes = up->phase == PASSAGE_BYTES || down->phase == PASSAGE_BYTES;
    lock_acquire(&conn->registry->lock);
    bool aborted = conn->state->aborted;
    lock_release(&conn->registry->lock);
    if (aborted || ends || bytes)
        return false;
    if (exchange->request->note->whole == 0) /* else it was answered, if a mark says so, too */
        return !leaves_own_answer(&ways[DIR_UP]);
    return up->count > down->count;
}

/* The request */

static void rewrite_request(struct exchange *exchange) {
    struct exchange_request *request = exchange->request;
    struct http_facts facts = exchange_facts(exchange);
    const struct http1_head *head = &request->head;
    bool bare = head->framing == HTTP1_NO_BODY ||
                (head->framing == HTTP1_LENGTH && head->content_length == 0);

    request->close = head->close;
    request->upgrades = http_upgrades(request->bytes, head, exchange->config);
    if (request->route->cookie != NULL)
        request->came_with = cookie_find(request->bytes, head, request->route->cookie);
    /* Of another configuration, perhaps: the route may lead nowhere (read_request_again). */
    request->repeatable = http_rewrite_request(request->bytes, head, &facts, &request->out) == 0 &&
                          bare && !request->upgrades && http1_is_idempotent(head->method) &&
                          request->route->upstream != NO_UPSTREAM;
    exchange->answer_patience = request->route->response_timeout;
}

/* False: what lies there is no request, or there is no memory. */
static bool read_request_again(struct exchange_side *up) {
    struct exchange *exchange = up->exchange;
    const struct exchange_area *area = exchange_lend_area(exchange);
    struct http1_fault fault;

    if (!exchange_lend(exchange, up->room->buffers))
        return false;
    struct exchange_request *request = exchange->request;
    if (area->head_size > sizeof(area->head) || !request_record_is_sound(request->note) ||
        http1_parse_request(area->head, area->head_size, &request->head, &fault) != HTTP1_WHOLE ||
        request->head.length != area->head_size) {
        exchange_note_begin(request); /* nothing is told of it */
        request->note->begun = 0;
        return false;
    }
    request->bytes = area->head;
    memcpy(request->id, request->note->id, sizeof(request->id));
    request->sent = request->note->retries + 1;
    request->route = &exchange->config->own;
    if (http_match(exchange->config, area->head, &request->head, &request->route) ==
        HTTP_MATCH_NONE)
        request->route = &exchange->config->own;
    rewrite_request(exchange);
    return true;
}

/* What both pumps know of it. Without a request: bytes, or the end that the client is to be given.
 */
static void note_under_way(struct exchange *exchange, bool asks, bool waits, bool sends) {
    const struct passage_exchange *up = marked(exchange, DIR_UP),
                                  *down = marked(exchange, DIR_DOWN);
    bool sending = waits && is_sending(up), answers = down->phase == PASSAGE_BODY;

    lock_acquire(&exchange->lock);
    exchange->under_way = asks || down->end != END_NONE; /* up begins nothing meanwhile */
    exchange->resumes_request = exchange->under_way && exchange->request != NULL;
    exchange->upgraded = up->phase == PASSAGE_BYTES || down->phase == PASSAGE_BYTES;
    exchange->read_whole = !sending;
    exchange->answering = answers;
    exchange->users = waits || sends ? 2 : 1; /* up_has_sent */
    exchange->leg = LEG_ALIVE;
    exchange->visible = exchange->request;
    lock_release(&exchange->lock);
    exchange->leg_private = true;
    exchange_set_phase(exchange, sending || !asks || answers ? EXCHANGE_BODY : EXCHANGE_ANSWER);
    if (!asks)
        exchange_note_asked(exchange, false);
}

/* Pumps */

static enum up_next give_up_resuming(struct exchange_side *up) {
    (void)conn_abort(up->conn, END_NOT_ADOPTED, 0);
    return UP_OVER;
}

/* waits: the request stays lent to up until the rest of it is sent, or there is 101. */
static enum up_next go_on_up(struct exchange_side *up, bool bytes, bool asks, bool waits) {
    struct passage_body body = up->next.body;

    if (up->next.end != END_NONE) {
        exchange_end_client(up, (enum end)up->next.end);
        return UP_DROP;
    }
    if (bytes) { /* 101 was sent on: perhaps before up knew of it */
        exchange_pass_bytes(up, SIDE_SERVER);
        return UP_OVER;
    }
    body.over = body_is_over(&body);
    if (waits)
        return exchange_continue_request(up, &body);
    up->next.phase = PASSAGE_HEADS;
    if (!asks && atomic_load(&up->conn->state->flow[DIR_DOWN].first) != 0) /* it had an answer */
        exchange_set_phase(up->exchange, EXCHANGE_IDLE);
    return UP_NEXT;
}

enum up_next exchange_resume_up(struct exchange_side *up) {
    struct exchange *exchange = up->exchange;
    struct conn *conn = up->conn;
    const struct passage_exchange *down = marked(exchange, DIR_DOWN);
    bool bytes = up->next.phase == PASSAGE_BYTES || down->phase == PASSAGE_BYTES,
         ends = down->end != END_NONE, /* it was answered */
        asks = exchange_was_under_way(conn->passages) && !bytes && !ends,
         waits = asks && (is_sending(&up->next) || up->next.phase == PASSAGE_UPGRADES),
         sends = asks && conn->rest[DIR_UP].undone;

    if (exchange->resumes_ended) { /* the client has its end */
        exchange_stop_down(exchange);
        exchange_forgo_step(up);
        return UP_DROP;
    }
    if (conn->passages->area > 0)
        (void)exchange_lend_area(exchange);
    if (asks && !read_request_again(up))
        return give_up_resuming(up);
    if (bytes) /* its request is over */
        exchange->road->leave(exchange->road->arg, exchange);
    if (asks || bytes || ends || conn->rest[DIR_DOWN].undone) {
        note_under_way(exchange, asks, waits, sends);
        exchange_begin_down(exchange);
    }
    int r = 0;
    if (ends)
        exchange_forgo_step(up);
    else
        r = exchange_resume_step(up);
    if (r == COPY_UNLIKE)
        return give_up_resuming(up);
    if (r == -EINTR)
        return UP_OVER;
    if (r < 0 && passage_now(&conn->passages->way[DIR_UP])->sink == SIDE_SERVER)
        exchange_leg_failed(exchange, r);
    if (sends && !waits)
        exchange_release_request(up);
    /* A sink that failed does so again. */
    return go_on_up(up, bytes, asks || ends, waits);
}

enum down_next exchange_resume_down(struct exchange_side *down) {
    struct exchange *exchange = down->exchange;

    exchange_read_from(down);
    int r = exchange_resume_step(down);
    if (r == -EINTR)
        return DOWN_OVER;
    if (r == COPY_UNLIKE)
        return exchange_cut_answer(down, END_NOT_ADOPTED, 0);
    if (r < 0 && passage_now(&down->conn->passages->way[DIR_DOWN])->sink == SIDE_CLIENT) {
        conn_sink_failed(down->conn, DIR_DOWN, -r);
        return exchange_cut_answer(down, END_CLIENT_LEFT, 0);
    }
    if (r < 0)
        exchange_leg_failed(exchange, r);
    if (exchange->resumes_request) /* else up may have the next one in hand */
        exchange_name_server(exchange);
    if (down->next.end != END_NONE) {
        enum end end = (enum end)down->next.end;

        exchange_end_request(down, true);
        exchange_end_client(down, end);
        return DOWN_OVER;
    }
    switch (down->next.phase) {
    case PASSAGE_BYTES:
        exchange_pass_bytes(down, SIDE_CLIENT);
        return DOWN_OVER;
    case PASSAGE_BODY:
        down->next.body.over = body_is_over(&down->next.body);
        return exchange_continue_answer(down);
    default:
        return DOWN_NEXT;
    }
}
