/* From the client: requests are read, checked, and sent on. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/event.h"
#include "base/kill_point.h"
#include "config/routes.h"
#include "conn/exchange_area.h"
#include "conn/exchange_up.h"
#include "http/match.h"
#include "tls/server.h"

/* The client has sent all it will. While an answer is under way it is waited for, for a while. */
static enum up_next note_client_end(struct exchange_side *up, bool in_head) {
    struct exchange *exchange = up->exchange;
    uint64_t read = stream_end_is_sure(&up->in) ? CONN_END_SURE : up->in.received;

    if (exchange_is_closing_now(exchange)) {
        conn_source_ended(up->conn, DIR_UP, CONN_END_SURE);
        return UP_OVER;
    }
    lock_acquire(&exchange->lock);
    exchange->client_ended = true;
    bool under_way = exchange->under_way;
    lock_release(&exchange->lock);
    if (under_way) {
        conn_source_paused(up->conn, DIR_UP);
        if (exchange_await(exchange, exchange_is_quiet, USEC_NEVER) &&
            !exchange_is_closing_now(exchange)) { /* down had looked before */
            exchange_yield_leg(exchange);
            exchange_end_client(up, END_CLIENT_ENDED);
        }
        return UP_OVER;
    }
    exchange_yield_leg(exchange);
    conn_source_ended(up->conn, DIR_UP, read); /* or reset: stolen_error in conn_end.c */
    exchange_end_client(up, in_head ? END_REQUEST_CUT : END_CLIENT_ENDED);
    return UP_OVER;
}

/* It may have its answer before down has noted that. */
static bool has_its_answer(struct exchange *exchange) {
    return exchange_await(exchange, exchange_is_quiet, clock_now() + EXCHANGE_NOTE_WAIT);
}

/* n: what stream_fill returned instead of bytes. */
enum up_next exchange_end_reading(struct exchange_side *up, ssize_t n, bool in_head) {
    struct conn *conn = up->conn;
    bool silent = !in_head && stream_is_empty(&up->in) && !stream_is_torn(&up->in);

    if (n == -EINTR) /* it parks */
        return UP_OVER;
    if (conn_is_expired(conn) && (n == 0 || n == COPY_CUT))
        return UP_DROP; /* what that means is settled by the caller */
    if (n == 0)
        return note_client_end(up, in_head);
    if (n == COPY_CUT && silent && has_its_answer(up->exchange)) /* as browsers do */
        return note_client_end(up, false);
    if (exchange_parks(up->exchange))
        return UP_OVER; /* the next process meets it, too */
    exchange_source_failed(up, n);
    exchange_stop_down(up->exchange);
    return UP_OVER;
}

/* relayd answers by itself, and closes. Nothing is under way. Why it was refused is told even if
 * the client has gone meanwhile. */
enum up_next exchange_refuse(struct exchange_side *up, int status, enum end end) {
    exchange_set_phase(up->exchange, EXCHANGE_BODY);
    up->next.end = (uint8_t)end;
    int r = exchange_answer(up, status, end, true);
    if (r == -EINTR)
        return UP_OVER;
    if (r < 0) {
        exchange_stop_down(up->exchange);
        (void)conn_abort(up->conn, end_infos[end].failed ? end : END_CLIENT_RESET, 0);
        return UP_OVER;
    }
    exchange_note_log(up->exchange);
    exchange_end_client(up, end);
    return UP_DROP;
}

static enum up_next refuse_request(struct exchange_side *up, int status, const char *why) {
    exchange_note_why(up->exchange, why);
    return exchange_refuse(up, status, END_BAD_REQUEST);
}

enum up_next exchange_expire(struct exchange_side *up) {
    enum end end = conn_end(up->conn);

    if (exchange_is_closing_now(up->exchange) || !exchange_is_quiet_now(up->exchange))
        return UP_OVER; /* down has the word */
    if (end == END_HEAD_TIMEOUT)
        return exchange_refuse(up, 408, end);
    if (end == END_BAD_ANSWER)
        return exchange_refuse(up, 502, end);
    exchange_end_client(up, end);
    return UP_DROP;
}

/* Bytes that come while an answer is under way stay behind the request that it is for, which may
 * have to be sent again. */
static bool make_room(struct exchange_side *up) {
    if (exchange_is_kept(up->exchange) || exchange_is_quiet_now(up->exchange)) {
        stream_compact(&up->in); /* by_steps: the head that is under way is in the area */
        return true;
    }
    if (stream_room(&up->in) > 0)
        return true;
    if (!exchange_await(up->exchange, exchange_is_quiet, USEC_NEVER))
        return false;
    stream_compact(&up->in);
    return true;
}

/* For the next one, if it is not yet. */
static bool lend_request(struct exchange_side *up) {
    struct exchange *exchange = up->exchange;
    bool begins = exchange->request == NULL;

    if (!exchange_lend(exchange, up->room->buffers))
        return false;
    if (begins)
        exchange_note_begin(exchange->request);
    exchange->request->route = &exchange->config->own;
    return true;
}

/* Waits for a whole head, and until nothing is under way. UP_NEXT: it is in exchange->request. */
static enum up_next read_request(struct exchange_side *up) {
    struct exchange *exchange = up->exchange;
    enum http1_outcome outcome = HTTP1_MORE;
    struct http1_fault fault;
    bool begun = false;
    size_t seen = 0; /* bytes of it that were looked at */

    for (;;) {
        if (stream_in_hand(&up->in) > 0) {
            begun = true;
            if (!exchange_await(exchange, exchange_is_quiet, USEC_NEVER))
                return UP_OVER;
            if (exchange_is_closing_now(exchange))
                return UP_DROP;
            exchange_set_phase(exchange, EXCHANGE_HEAD);
            exchange_note_asked(exchange, true);
            if (!lend_request(up))
                return exchange_refuse(up, 503, END_NO_PUMPS);
            if (http1_has_news(stream_first(&up->in), seen, stream_in_hand(&up->in)))
                outcome = http1_parse_request(stream_first(&up->in), stream_in_hand(&up->in),
                                              &exchange->request->head, &fault);
            if (outcome != HTTP1_MORE)
                break;
            seen = stream_in_hand(&up->in);
        }
        if (!make_room(up))
            return UP_OVER;
        if (exchange_is_closing_now(exchange))
            return UP_DROP;
        if (stream_room(&up->in) == 0) /* and nothing is under way */
            return refuse_request(up, 431, "its head is longer than the buffer");
        ssize_t n = exchange_fill(up);
        if (n == -EINTR) /* it parks */
            return UP_OVER;
        if (n <= 0) {
            enum up_next next = exchange_end_reading(up, n, begun);

            return next == UP_DROP && conn_is_expired(up->conn) ? exchange_expire(up) : next;
        }
        atomic_store_explicit(&up->conn->state->flow[DIR_UP].active, clock_coarse(),
                              memory_order_relaxed);
    }
    if (outcome == HTTP1_BAD) {
        exchange_note_bad(exchange, stream_first(&up->in), fault.why);
        return exchange_refuse(up, fault.status,
                               fault.status == 505 ? END_HTTP_VERSION : END_BAD_REQUEST);
    }
    return UP_NEXT;
}

/* Answered by relayd itself; the connection goes on, unless a body would have to be read first. */
static enum up_next answer_here(struct exchange_side *up, int status) {
    struct exchange *exchange = up->exchange;
    struct exchange_request *request = exchange->request;
    bool close = request->head.close || request->head.framing != HTTP1_NO_BODY;

    if (close)
        return exchange_refuse(up, status, END_SERVER_ENDED);
    stream_take(&up->in, request->head.length);
    int r = exchange_answer(up, status, END_NONE, false);
    if (r == -EINTR)
        return UP_OVER;
    KILL_POINT(OWN_SENT);
    exchange_give_back(exchange, up->room->buffers);
    exchange_set_phase(exchange, EXCHANGE_IDLE);
    if (stream_is_empty(&up->in))
        exchange_return_area(exchange);
    if (r == 0)
        return UP_NEXT;
    exchange_stop_down(exchange);
    (void)conn_abort(up->conn, END_CLIENT_RESET, -r);
    return UP_OVER;
}

/* by_steps: the head lies in the area for as long as it is needed. */
static const char *keep_head(struct exchange_side *up) {
    struct exchange *exchange = up->exchange;

    if (!exchange_is_kept(exchange))
        return stream_first(&up->in);
    struct exchange_area *area = exchange_lend_area(exchange);
    area->head_size = exchange->request->head.length;
    memcpy(area->head, stream_first(&up->in), area->head_size);
    return area->head;
}

/* RFC 9110, 7.4: a client that has shown a certificate asks for hosts of the server's alone. */
static bool is_misdirected(const struct exchange *exchange, const char *bytes) {
    const struct http1_span host = exchange->request->head.host;
    const struct conn *conn = exchange->conn;
    struct tls_server *server = exchange->config->tls.server;
    char name[HOST_NAME_SIZE];

    if (conn->bearer == NULL || server == NULL || host.n == 0)
        return false;
    size_t n = route_normal_host(bytes + host.at, host.n, name);
    bool is_ipv6 = n > 0 && name[0] == '[';

    name[is_ipv6 ? n - 1 : n] = '\0';
    return !tls_server_shares(server, conn->state->record.sni, name + is_ipv6);
}

static enum up_next handle_request(struct exchange_side *up) {
    struct exchange *exchange = up->exchange;
    struct exchange_request *request = exchange->request;
    const char *bytes = keep_head(up);
    const struct http1_head *head = &request->head;

    KILL_POINT(HEAD_READ);
    if (exchange_parks(exchange)) /* it begins no more */
        return UP_OVER;
    const struct listener_config *former = exchange->config;
    exchange->road->renew(exchange->road->arg, exchange);
    if (exchange->config != former)
        exchange_take_config(exchange);
    request->route = &exchange->config->own; /* nothing is left of the former configuration */
    exchange_note_head(exchange, bytes);
    if (is_misdirected(exchange, bytes))
        return refuse_request(up, 421, "its Host is another one than the certificate was shown to");
    switch (http_match(exchange->config, bytes, head, &request->route)) {
    case HTTP_MATCH_NONE:
        exchange_note_why(exchange,
                          "no route has its host and path, and there is no upstream for "
                          "the rest");
        return answer_here(up, 404);
    case HTTP_MATCH_PATH:
        return refuse_request(up, 400, "its path could be read in two ways, and goes by routes");
    case HTTP_MATCH_OWN:
    case HTTP_MATCH_ROUTE:
    default:
        break;
    }
    exchange_note_route(exchange);
    if (request->route->redirect[0] != '\0')
        return answer_here(up, EXCHANGE_REDIRECT);
    uint64_t most = (uint64_t)request->route->max_body;
    if (most > 0 && head->framing == HTTP1_LENGTH && head->content_length > most)
        return exchange_refuse(up, 413, END_BODY_LARGE);
    if (request->route->cookie != NULL)
        request->came_with = cookie_find(bytes, head, request->route->cookie);
    struct http_facts facts = exchange_facts(exchange);
    if (http_rewrite_request(bytes, head, &facts, &request->out) < 0)
        return refuse_request(up, 431, WHY_NO_ROOM);
    request->close = head->close;
    request->upgrades = http_upgrades(bytes, head, exchange->config);
    exchange->answer_patience = request->route->response_timeout;
    return exchange_forward(up);
}

/* The client was given its end, and is read until its own. How that comes changes nothing: one that
 * was refused and did not read why may reset. */
static void drop_rest(struct exchange_side *up) {
    struct conn *conn = up->conn;
    enum end end;
    ssize_t n;

    do {
        stream_take(&up->in, stream_in_hand(&up->in));
        stream_compact(&up->in);
        n = exchange_fill(up);
    } while (n > 0 && !atomic_load(&conn->over));
    if (n == -EINTR) /* it parks */
        return;
    if (n >= 0 || n == COPY_CUT)
        conn_source_ended(conn, DIR_UP, CONN_END_SURE);
    else if ((end = conn_end(conn)) != END_NONE)
        (void)conn_abort(conn, end, 0);
    else
        exchange_source_failed(up, n);
}

void exchange_up(struct exchange_side *up) {
    struct exchange *exchange = up->exchange;
    struct conn *conn = up->conn;
    enum up_next next;

    exchange_read_from(up);
    next = conn->state->by_steps && exchange->resumes ? exchange_resume_up(up) : UP_NEXT;
    while (next == UP_NEXT) {
        next = read_request(up);
        if (next == UP_NEXT)
            next = handle_request(up);
    }
    if (next == UP_DROP)
        drop_rest(up);
}
