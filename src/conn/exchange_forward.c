/* A request that was read goes on: to a leg, with its body. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/event.h"
#include "base/kill_point.h"
#include "conn/exchange_body.h"
#include "conn/exchange_up.h"

/* What is still to go behind its head. */
struct outgoing {
    struct passage_body body;
    bool expects, upgrades; /* of its head: it waits for 100, or for 101 */
};

/* The body is not to go on: down answers so, or cuts the answer that it has begun. */
static enum up_next fail_body(struct exchange_side *up, uint16_t status) {
    struct exchange *exchange = up->exchange;

    exchange_cut_leg(exchange, status);
    event_bump(&up->conn->event);
    (void)exchange_await(exchange, exchange_is_closing, USEC_NEVER);
    return exchange_is_closing_now(exchange) ? UP_DROP : UP_OVER;
}

static enum up_next cut_body(struct exchange_side *up, ssize_t n) {
    if (exchange_is_closing_now(up->exchange))
        return UP_DROP;
    if (n == 0 && !conn_is_expired(up->conn))
        (void)conn_abort(up->conn, END_REQUEST_CUT, 0);
    else if (n < 0)
        return exchange_end_reading(up, n, true);
    return UP_OVER;
}

/* A server that takes no more may have answered: down reads that. */
static enum up_next leave_body(struct exchange_side *up) {
    (void)exchange_await(up->exchange, exchange_is_closing, USEC_NEVER);
    return exchange_is_closing_now(up->exchange) ? UP_DROP : UP_OVER;
}

/* Whether the leg, if it is alive, leads where the request goes. */
static bool leads_there(struct exchange *exchange, const struct route_config *section) {
    const struct exchange_road *road = exchange->road;

    if (exchange->leg_upstream != road->upstream(road->arg, exchange, section))
        return false;
    return exchange->wanted != NULL ? exchange->leg_member == exchange->wanted
                                    : road->keeps(road->arg, exchange, section);
}

/* Down gives it up: to others, or it is closed. */
static void leave_leg(struct exchange *exchange) {
    exchange_yield_leg(exchange);
    lock_acquire(&exchange->lock);
    bool alive = exchange->leg == LEG_ALIVE;
    if (alive)
        exchange->leg = LEG_LEAVING;
    lock_release(&exchange->lock);
    if (alive)
        (void)shutdown(exchange->conn->fd[SIDE_SERVER], SHUT_RDWR);
}

/* A leg to where the route leads: the one that is there, or a new one. END_NONE, or why not. */
static enum end have_leg(struct exchange_side *up) {
    struct exchange *exchange = up->exchange;
    const struct route_config *section = exchange->request->route;
    bool same = leads_there(exchange, section);

    lock_acquire(&exchange->lock);
    bool alive = exchange->leg == LEG_ALIVE, good = alive && same;
    bool none = exchange->leg == LEG_NONE;
    exchange->visible = exchange->request;
    lock_release(&exchange->lock);
    if (good)
        return END_NONE;
    if (alive)
        leave_leg(exchange);
    if (!none && !exchange_await(exchange, exchange_has_no_leg, USEC_NEVER))
        return END_STOPPED;
    if (atomic_load(&exchange->conn->over)) /* unasked */
        return END_STOPPED;
    enum end end = exchange_get_leg(exchange, section);
    /* What has ended the conn meanwhile has not met this leg. */
    return end == END_NONE && atomic_load(&exchange->conn->over) ? END_STOPPED : end;
}

/* From now on it is under way, unless the leg has gone meanwhile, or it is all over. */
static bool begin_request(struct exchange *exchange, bool whole) {
    lock_acquire(&exchange->lock);
    bool begun = exchange->leg == LEG_ALIVE && !exchange->closing;
    if (begun) {
        exchange->under_way = true;
        exchange->read_whole = whole;
        exchange->answering = false;
        exchange->continues = false;
        exchange->ahead = false;
        exchange->fault = 0;
        exchange->users = 2;
        atomic_store_explicit(&exchange->conn->wait.reads_body, !whole, memory_order_relaxed);
    }
    lock_release(&exchange->lock);
    return begun;
}

static enum up_next refuse_without_leg(struct exchange_side *up, enum end end) {
    if (exchange_parks(up->exchange))
        return UP_OVER;
    if (atomic_load(&up->conn->over))
        return conn_is_expired(up->conn) ? exchange_expire(up) : UP_OVER;
    conn_decide_end(up->conn, end, up->exchange->dial_error);
    exchange_note_no_leg(up->exchange, end);
    return exchange_refuse(up, exchange_dial_status(end), end);
}

/* With as much of the body as is there. 0, or -errno of the server's side, or of
 * exchange_body_take. */
static int send_head(struct exchange_side *up, struct outgoing *out) {
    struct exchange_request *request = up->exchange->request;
    struct iovec parts[HTTP_OUT_PARTS + EXCHANGE_BODY_PARTS];
    struct exchange_body_parts more;
    size_t n = request->out.n, used = 0;
    int n_more = 0;

    if (!out->expects && !out->upgrades)
        n_more = exchange_body_take(&out->body, &up->in, &more, &used);
    if (n_more < 0)
        return n_more;
    memcpy(parts, request->out.parts, n * sizeof(*parts));
    memcpy(parts + n, more.parts, (size_t)n_more * sizeof(*parts));
    if (n_more > 0 && out->body.over)
        exchange_note_read(up->exchange);
    stream_take(&up->in, used);
    return exchange_send(up, SIDE_SERVER, parts, n + (size_t)n_more);
}

/* After 101 there are no messages any more, only bytes. */
static enum up_next await_upgrade(struct exchange_side *up) {
    struct exchange *exchange = up->exchange;

    (void)exchange_await(exchange, exchange_is_decided, USEC_NEVER);
    lock_acquire(&exchange->lock);
    bool upgraded = exchange->upgraded;
    lock_release(&exchange->lock);
    if (!upgraded && exchange_parks(exchange))
        return UP_OVER;
    up->next.phase = PASSAGE_HEADS;
    if (!upgraded)
        return exchange_is_closing_now(exchange) ? UP_DROP : UP_NEXT;
    exchange_pass_bytes(up, SIDE_SERVER);
    return UP_OVER;
}

/* Where all is read, down sees what ends the server's side, too. */
static enum up_next pass_body(struct exchange_side *up, struct passage_body *body) {
    ssize_t n = 0;

    switch (exchange_body_pass(up, body, &n)) {
    case EXCHANGE_BODY_BAD:
        return fail_body(up, n == -EFBIG ? 413 : 400);
    case EXCHANGE_SINK_OVER:
        if (n == -EINTR)
            return UP_OVER;
        exchange_leg_failed(up->exchange, n);
        return body->over ? UP_NEXT : leave_body(up);
    case EXCHANGE_SOURCE_OVER:
        return cut_body(up, n);
    case EXCHANGE_CARRIED:
    default:
        return UP_NEXT;
    }
}

/* What comes behind the head, once it was sent. */
static enum up_next send_rest(struct exchange_side *up, struct outgoing *out) {
    struct exchange *exchange = up->exchange;

    if (out->expects) {
        (void)exchange_await(exchange, exchange_may_go_on, clock_now() + EXCHANGE_CONTINUE_WAIT);
        if (exchange_is_quiet_now(exchange) || exchange_is_closing_now(exchange))
            return UP_DROP; /* answered without it */
        if (exchange_parks(exchange))
            return UP_OVER;
    }
    up->next.phase = PASSAGE_BODY;
    return pass_body(up, &out->body);
}

/* Until all that is to be sent was. The request stays lent meanwhile: up_has_sent. */
static enum up_next send_request(struct exchange_side *up, struct outgoing *out) {
    int r = send_head(up, out);

    KILL_POINT(REQUEST_SENT);
    if (r == -EINTR)
        return UP_OVER;
    if (r == -EPROTO || r == -EFBIG)
        return fail_body(up, r == -EFBIG ? 413 : 400);
    if (r < 0) {
        exchange_leg_failed(up->exchange, r);
        return out->body.over ? UP_NEXT : leave_body(up); /* as in pass_body */
    }
    return out->body.over || out->upgrades ? UP_NEXT : send_rest(up, out);
}

/* next: what its sending has come to. */
static enum up_next finish_request(struct exchange_side *up, struct outgoing *out,
                                   enum up_next next) {
    up->body = NULL;
    if (next == UP_OVER && exchange_parks(up->exchange))
        return UP_OVER; /* the request stays lent, to nobody */
    exchange_note_body(up->exchange, DIR_UP, exchange_body_passed(&out->body));
    if (!out->upgrades)
        up->next.phase = PASSAGE_HEADS;
    exchange_release_request(up);
    return next == UP_NEXT && out->upgrades ? await_upgrade(up) : next;
}

/* The bytes of its head stay in the stream until its answer has begun: stale_leg. */
enum up_next exchange_forward(struct exchange_side *up) {
    struct exchange *exchange = up->exchange;
    struct exchange_request *request = exchange->request;
    const struct http1_head *head = &request->head;
    struct outgoing out = {.upgrades = request->upgrades};

    exchange_body_begin(&out.body, head, head->framing == HTTP1_CHUNKED,
                        (uint64_t)request->route->max_body);
    out.expects = head->expects_continue && !out.body.over;
    request->repeatable = out.body.over && !out.upgrades && http1_is_idempotent(head->method);
    if (request->route->each_request) /* once: a leg that ends meanwhile is dialled anew */
        exchange->road->choose(exchange->road->arg, exchange, request->route);
    do {
        enum end end = have_leg(up);

        exchange_note_leg(exchange);
        exchange_name_server(exchange);
        if (end != END_NONE)
            return refuse_without_leg(up, end);
        exchange_note_request(exchange);
        exchange_set_phase(exchange, out.body.over ? EXCHANGE_ANSWER : EXCHANGE_BODY);
    } while (!begin_request(exchange, out.body.over) && !exchange_is_closing_now(exchange));
    if (exchange_is_closing_now(exchange))
        return UP_DROP;
    stream_take(&up->in, head->length);
    up->body = &out.body;
    up->next.count++;
    up->next.leg = exchange_leg_cookie(exchange);
    up->next.phase = out.upgrades  ? PASSAGE_UPGRADES
                     : out.expects ? PASSAGE_CONTINUE
                                   : PASSAGE_BODY;
    return finish_request(up, &out, send_request(up, &out));
}

enum up_next exchange_continue_request(struct exchange_side *up, struct passage_body *body) {
    struct outgoing out = {.body = *body,
                           .expects = up->next.phase == PASSAGE_CONTINUE,
                           .upgrades = up->next.phase == PASSAGE_UPGRADES};

    up->body = &out.body;
    if (out.body.over)
        exchange_note_read(up->exchange);
    return finish_request(up, &out, out.body.over || out.upgrades ? UP_NEXT : send_rest(up, &out));
}
