/* What both pumps of an exchange do: how it begins and ends, waiting, what is lent. */
#include "conn/exchange.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/sockopt.h"
#include "conn/exchange_area.h"
#include "conn/exchange_inside.h"
#include "conn/flow.h"

_Static_assert(sizeof(struct exchange_request) <= TLS_BUFFER_SIZE, "it is lent such a buffer");

struct exchange *exchange_new(const struct exchange_road *road, struct route *route,
                              const struct listener_config *config) UNCHECKED {
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    if (exchange == NULL)
        return NULL;
    exchange->road = road;
    exchange->route = route;
    exchange->config = config;
    exchange->dial_has = HOLDINGS_NONE;
    exchange->phase = EXCHANGE_BODY;
    exchange->pumps = 1;
    lock_init(&exchange->lock, RANK_LEAF);
    return exchange;
}

void exchange_join(struct exchange *exchange, struct conn *conn) {
    exchange->conn = conn;
    conn->exchange = exchange;
    conn->free_exchange = exchange_free;
    if (conn->passages != NULL)
        passages_count_sent(conn->passages, exchange->sent);
    exchange_take_config(exchange);
    exchange_set_phase(exchange, EXCHANGE_HEAD); /* the first is due */
}

void exchange_free(struct exchange *exchange) {
    if (exchange == NULL)
        return;
    exchange->road->leave(exchange->road->arg, exchange);
    holdings_give_back(&exchange->dial_has);
    member_unref(exchange->leg_member);
    free(exchange->shown);
    lock_destroy(&exchange->lock);
    free(exchange);
}

/* The reaper is to look often enough for each of them. */
void exchange_take_config(struct exchange *exchange) {
    struct conn *conn = exchange->conn;
    usec_t soonest = exchange->config->soonest_timeout, now = clock_coarse(), next;

    lock_acquire(&conn->registry->lock);
    atomic_store_explicit(&conn->wait.soonest, soonest, memory_order_relaxed);
    registry_review_by(conn->registry, &conn->node,
                       conn_glance(conn->registry, conn, now, &next) ? next : now);
    lock_release(&conn->registry->lock);
}

void exchange_set_phase(struct exchange *exchange, enum exchange_phase phase) {
    const struct listener_config *config = exchange->config;
    struct conn_wait *wait = &exchange->conn->wait;
    usec_t patience = 0, since = 0;
    enum end end = END_NONE;
    bool asked = phase == EXCHANGE_DIAL || phase == EXCHANGE_ANSWER || phase == EXCHANGE_BODY;

    if (exchange->phase == phase)
        return;
    exchange->phase = phase;
    atomic_store_explicit(&wait->asked, asked, memory_order_relaxed);
    switch (phase) {
    case EXCHANGE_IDLE:
        patience = config->keepalive_timeout;
        end = END_KEEPALIVE;
        break;
    case EXCHANGE_HEAD:
        patience = config->head_timeout;
        since = clock_coarse();
        end = END_HEAD_TIMEOUT;
        break;
    case EXCHANGE_DIAL:
        patience = USEC_NEVER;
        break;
    case EXCHANGE_ANSWER:
        patience = exchange->answer_patience;
        end = patience > 0 ? END_ANSWER_TIMEOUT : END_NONE; /* idle_timeout, then */
        break;
    case EXCHANGE_BODY:
    default:
        break;
    }
    atomic_store_explicit(&wait->end, END_NONE, memory_order_release);
    atomic_store_explicit(&wait->since, since, memory_order_relaxed);
    atomic_store_explicit(&wait->patience, patience, memory_order_relaxed);
    atomic_store_explicit(&wait->end, end, memory_order_release);
}

void exchange_note_asked(struct exchange *exchange, bool asked) {
    atomic_store_explicit(&exchange->conn->wait.asked, asked, memory_order_relaxed);
}

struct http_facts exchange_facts(const struct exchange *exchange) {
    const struct exchange_request *request = exchange->request;

    return (struct http_facts){.listener = exchange->config,
                               .route = request->route,
                               .client = &exchange->conn->state->record.client,
                               .trusted = exchange->trusted,
                               .tls = exchange->conn->tls[SIDE_CLIENT] != NULL,
                               .v1_0 = request->head.v1_0,
                               .request_id = request->id,
                               .goes_with = request->goes_with};
}

bool exchange_is_draining(const struct exchange *exchange) {
    struct conn *conn = exchange->conn;
    struct registry *registry = conn->registry;

    if (!atomic_load_explicit(&registry->drains, memory_order_relaxed))
        return false;
    lock_acquire(&registry->lock);
    bool drains = conn_drain_idle(registry, conn) != USEC_NEVER;
    lock_release(&registry->lock);
    return drains;
}

/* What has come to pass */

void exchange_note_continue(struct exchange *exchange) {
    lock_acquire(&exchange->lock);
    exchange->continues = true;
    unsigned waiting = exchange->waiting;
    lock_release(&exchange->lock);
    exchange_tell(exchange, waiting);
}

void exchange_note_upgrade(struct exchange_side *down) {
    struct exchange *exchange = down->exchange;

    exchange_set_phase(exchange, EXCHANGE_BODY);
    exchange_note_asked(exchange, false); /* by the last bytes, from now on */
    exchange_release_request(down);
    lock_acquire(&exchange->lock);
    exchange->upgraded = true;
    unsigned waiting = exchange->waiting;
    lock_release(&exchange->lock);
    exchange->road->leave(exchange->road->arg, exchange); /* it may last for days */
    exchange_tell(exchange, waiting);
}

/* Down's. Up may be about to say that it has read all. */
static void set_phase_of_answer(struct exchange *exchange, enum exchange_phase phase) {
    lock_acquire(&exchange->lock);
    exchange->answering = true;
    exchange_set_phase(exchange, phase);
    lock_release(&exchange->lock);
}

void exchange_begin_answer(struct exchange *exchange) {
    set_phase_of_answer(exchange, EXCHANGE_BODY);
}

void exchange_end_request(struct exchange_side *down, bool last) {
    struct exchange *exchange = down->exchange;

    set_phase_of_answer(exchange, EXCHANGE_IDLE);
    bool gave_back = exchange_release_request(down);
    lock_acquire(&exchange->lock);
    /* Else up has it in hand, or logs it; or a mark says that something is stored, to the end. */
    bool idle = gave_back && !exchange->ahead && !last;
    lock_release(&exchange->lock);
    if (idle)
        exchange_return_area(exchange); /* before up may need it */
    lock_acquire(&exchange->lock);
    exchange->under_way = exchange->fresh = false;
    exchange->closing |= last; /* at once: up may have the next one in hand */
    unsigned waiting = exchange->waiting;
    lock_release(&exchange->lock);
    exchange_tell(exchange, waiting);
}

/* What is lent */

bool exchange_lend(struct exchange *exchange, struct tls_buffers *buffers) {
    if (exchange->request != NULL)
        return true;
    exchange->lent = tls_buffers_get(buffers);
    if (exchange->lent == NULL)
        return false;
    struct exchange_request *request = (struct exchange_request *)(void *)exchange->lent->bytes;
    request->route = NULL;
    request->sent = 1;
    request->id[0] = '\0';
    request->came_with = request->goes_with = (struct cookie_token){0, 0};
    request->note =
        exchange_is_kept(exchange) ? &exchange_lend_area(exchange)->note : &request->own_note;
    exchange->request = request;
    return true;
}

void exchange_give_back(struct exchange *exchange, struct tls_buffers *buffers) {
    if (!exchange_leaves_request(exchange))
        exchange_note_log(exchange);
    member_unref(exchange->wanted);
    member_unref(exchange->mute);
    exchange->wanted = exchange->mute = NULL;
    tls_buffers_put(buffers, exchange->lent);
    exchange->lent = NULL;
    exchange->request = NULL;
}

void exchange_note_read(struct exchange *exchange) {
    lock_acquire(&exchange->lock);
    exchange->read_whole = true;
    atomic_store_explicit(&exchange->conn->wait.reads_body, false, memory_order_relaxed);
    if (!exchange->answering)
        exchange_set_phase(exchange, EXCHANGE_ANSWER);
    lock_release(&exchange->lock);
}

/* The last of both gives it back. */
bool exchange_release_request(struct exchange_side *side) {
    struct exchange *exchange = side->exchange;

    lock_acquire(&exchange->lock);
    if (side->dir == DIR_UP) {
        exchange->ahead = !stream_is_empty(&side->in);
        atomic_store_explicit(&exchange->conn->wait.reads_body, false, memory_order_relaxed);
    }
    bool last = --exchange->users == 0;
    if (last)
        exchange->visible = NULL;
    unsigned waiting = exchange->waiting;
    lock_release(&exchange->lock);
    if (last)
        exchange_give_back(exchange, side->room->buffers);
    else
        exchange_tell(exchange, waiting);
    return last;
}

/* Ends */

void exchange_stop_down(struct exchange *exchange) {
    lock_acquire(&exchange->lock);
    exchange->closing = true;
    lock_release(&exchange->lock);
    (void)shutdown(exchange->conn->fd[SIDE_SERVER], SHUT_RDWR);
    event_bump(&exchange->conn->event);
}

/* If the client is gone, its reader sees it, too. */
static int send_end(struct exchange_side *side, enum end end) {
    struct conn *conn = side->conn;

    if (!exchange_is_kept(side->exchange))
        return stream_send_end(conn->fd[SIDE_CLIENT], conn->tls[SIDE_CLIENT]);
    side->next.end = (uint8_t)end;
    if (conn->tls[SIDE_CLIENT] != NULL)
        return exchange_step_end(side, SIDE_CLIENT);
    exchange_mark(side);
    return 0;
}

void exchange_end_client(struct exchange_side *side, enum end end) {
    struct conn *conn = side->conn;

    exchange_set_phase(side->exchange, EXCHANGE_BODY);
    conn_decide_end(conn, end, 0);
    conn_begin_to_tell(conn, DIR_DOWN);
    if (send_end(side, end) == -EINTR)
        return; /* the next process does it */
    exchange_stop_down(side->exchange);
    if (!end_infos[end].failed) /* nor is the server reset, whoever notes first that all is over */
        sockopt_set_for_end(conn->fd[SIDE_SERVER]);
    conn_source_ended(conn, DIR_DOWN, CONN_END_SURE);
}

void exchange_note_unsent(struct exchange_side *side, enum side to, int r) {
    struct exchange *exchange = side->exchange;

    atomic_store(&side->conn->doubtful[to], true);
    lock_acquire(&exchange->lock);
    exchange->leg_cut |= to == SIDE_SERVER && r == -ECONNRESET;
    lock_release(&exchange->lock);
}

/* The pumps */

static int send_counting(struct exchange_side *side, enum side to, struct iovec *parts, size_t n,
                         bool counted) {
    struct conn *conn = side->conn;
    struct flow *flow = &conn->state->flow[to == SIDE_SERVER ? DIR_UP : DIR_DOWN];
    uint64_t sent = 0;

    flow_begin_writing(flow);
    int r = exchange_is_kept(side->exchange)
                ? exchange_step(side, to, parts, n, counted, &sent)
                : stream_send(conn->fd[to], conn->tls[to], side->room->buffers, parts, n, &sent);
    if (r == -EINTR) /* it is not done */
        return r;
    if (r < 0)
        exchange_note_unsent(side, to, r);
    flow_end_writing(flow, atomic_load_explicit(&flow->bytes, memory_order_relaxed) +
                               (counted ? sent : 0));
    return r;
}

int exchange_send(struct exchange_side *side, enum side to, struct iovec *parts, size_t n) {
    return send_counting(side, to, parts, n, true);
}

int exchange_send_own(struct exchange_side *side, struct iovec *parts, size_t n) {
    return send_counting(side, SIDE_CLIENT, parts, n, false);
}

void exchange_source_failed(struct exchange_side *side, ssize_t n) {
    const struct flow *flow = &side->conn->state->flow[side->dir];
    char why[TLS_REASON_MAX] = "";

    if (side->in.tls != NULL)
        copy_tls_why(side->in.tls->from, side->in.tls->alert, n, atomic_load(&flow->first) != 0,
                     why);
    if (n == COPY_CUT)
        conn_source_cut(side->conn, side->dir, 0, why);
    else if (n == COPY_BROKEN || n == COPY_ALERTED)
        conn_source_cut(side->conn, side->dir, n == COPY_ALERTED ? ECONNABORTED : EPROTO, why);
    else
        conn_source_failed(side->conn, side->dir, (int)-n, why);
}

void exchange_pump(struct conn *conn, enum direction dir, struct pump_room *room) {
    struct exchange_side side = {
        .exchange = conn->exchange, .conn = conn, .dir = dir, .room = room};

    if (dir == DIR_UP)
        exchange_up(&side);
    else
        exchange_down(&side);
    stream_end(&side.in);
    if (exchange_parks(side.exchange) && !atomic_load(&conn->over))
        atomic_store(&conn->parked, true);
    lock_acquire(&side.exchange->lock);
    bool last = --side.exchange->pumps == 0;
    if (last)
        side.exchange->visible = NULL;
    lock_release(&side.exchange->lock);
    if (last)
        exchange_give_back(side.exchange, room->buffers);
}
