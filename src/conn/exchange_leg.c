/* Legs: connections to servers, as an exchange has them one after the other (one_leg). */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/kill_point.h"
#include "conn/exchange_inside.h"
#include "conn/leg_pool.h"
#include "tls/session.h"

void exchange_dialled(struct exchange *exchange, enum end end, int error, struct holdings *has,
                      const struct record *record) {
    exchange->dial_end = end;
    exchange->dial_error = error;
    exchange->shown = has->shown;
    has->shown = NULL;
    has->client = -1; /* it was only lent */
    if (end == END_NONE)
        exchange->dial_has = holdings_take(has);
    exchange->dial_record = *record;
    exchange->named_by = NULL;
    lock_acquire(&exchange->lock);
    exchange->dialling = false;
    lock_release(&exchange->lock);
    event_bump(&exchange->conn->event);
}

/* What the log and operators are told of the server. */
static void note_server(struct record *record, const struct record *dialled) {
    memcpy(record->upstream, dialled->upstream, sizeof(record->upstream));
    memcpy(record->server, dialled->server, sizeof(record->server));
    memcpy(record->why, dialled->why, sizeof(record->why));
    record->server_addr = dialled->server_addr;
    record->queued = dialled->queued;
    record->popped = dialled->popped;
    record->dialled = dialled->dialled;
    record->attempts = dialled->attempts;
    record->greeting = dialled->greeting;
    record->server_header = dialled->server_header;
}

void exchange_begin_down(struct exchange *exchange) {
    lock_acquire(&exchange->lock);
    exchange->pumps++;
    lock_release(&exchange->lock);
    exchange->start_down(exchange->pair);
    exchange->start_down = NULL;
}

void exchange_name_server(struct exchange *exchange) {
    const struct exchange_road *road = exchange->road;
    const struct exchange_request *request = exchange->request;

    if (request->route->cookie != NULL)
        road->name_server(road->arg, exchange, request->route);
}

uint64_t exchange_leg_cookie(const struct exchange *exchange) {
    return exchange->conn->passages != NULL ? exchange->conn->passages->leg.cookie : 0;
}

static bool leg_dies(const struct exchange *exchange, const struct tls_session *tls) {
    return exchange->conn->passages != NULL && tls != NULL && !tls->outlives;
}

/* A leg that dies with this process, unless the exchange is to go on in the next one, which dials
 * its own: sweep_to_rest finds all those that were let in. */
static bool let_in(struct exchange *exchange) {
    struct conn *conn = exchange->conn;

    if (!leg_dies(exchange, exchange->dial_has.server_tls))
        return true;
    lock_acquire(&conn->registry->lock);
    bool rests = atomic_load(&conn->registry->rests);
    atomic_store(&conn->state->flow[DIR_DOWN].in_memory, !rests);
    lock_release(&conn->registry->lock);
    return !rests;
}

/* by_steps: the next process finds it, unless that shall not have its keys. */
static void keep_leg(struct exchange *exchange) {
    struct conn *conn = exchange->conn;
    const struct tls_session *tls = conn->tls[SIDE_SERVER];
    uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);

    (void)getsockopt(conn->fd[SIDE_SERVER], SOL_SOCKET, SO_COOKIE, &cookie, &size);
    passages_note_side(conn->passages, SIDE_SERVER, tls);
    passage_leg_note(&conn->passages->leg, cookie, &exchange->dial_record, conn->fd[SIDE_SERVER],
                     tls, tls != NULL || exchange->leg_served > 0);
    exchange->sent[SIDE_SERVER] = conn->passages->leg.sent;
    link_hold(&conn->hold, conn->fd);
    KILL_POINT(DIALLED);
}

static void forget_leg(struct exchange *exchange) {
    struct conn *conn = exchange->conn;

    if (conn->passages == NULL)
        return;
    conn->passages->leg.cookie = 0;
    atomic_store(&conn->state->flow[DIR_DOWN].in_memory, false);
}

static bool install_leg(struct exchange *exchange) {
    struct conn *conn = exchange->conn;
    struct holdings *has = &exchange->dial_has, former = HOLDINGS_NONE;

    if (dup3(has->server, conn->fd[SIDE_SERVER], O_CLOEXEC) < 0) {
        exchange->dial_error = errno;
        forget_leg(exchange);
        holdings_give_back(has);
        return false;
    }
    fd_close(&has->server);
    tls_session_free(conn->tls[SIDE_SERVER]);
    conn->tls[SIDE_SERVER] = has->server_tls;
    has->server_tls = NULL;
    if (conn->passages != NULL)
        keep_leg(exchange);
    member_unref(exchange->leg_member);
    exchange->leg_member = member_ref(has->member);
    lock_acquire(&conn->registry->lock);
    former.member = conn->member; /* none, unless down ended without dropping its leg */
    former.line = conn->line;
    conn->member = has->member;
    conn->line = has->line;
    has->member = NULL;
    has->line = NULL;
    lock_release(&conn->registry->lock);
    holdings_give_back(&former);
    atomic_store(&conn->doubtful[SIDE_SERVER], false);
    lock_acquire(&exchange->lock);
    exchange->leg = LEG_ALIVE;
    exchange->fresh = true;
    exchange->leg_cut = false;
    unsigned waiting = exchange->waiting;
    lock_release(&exchange->lock);
    if (exchange->start_down != NULL)
        exchange_begin_down(exchange);
    else
        exchange_tell(exchange, waiting);
    return true;
}

/* A client whose first request has waited so long for its server is held before it has one: the
 * next process reads the request again, and dials. Most dials take less, and then the keeper is
 * told once, of both sockets (keep_leg). */
#define HOLD_WAITING (10 * USEC_PER_MSEC)

static usec_t when_to_hold(const struct exchange *exchange) {
    const struct conn *conn = exchange->conn;

    if (conn->passages == NULL || atomic_load_explicit(&conn->hold.told, memory_order_relaxed))
        return USEC_NEVER;
    return clock_now() + HOLD_WAITING;
}

/* Also where the conn is over meanwhile: a worker has the dial in hand. */
static void await_dial(struct exchange *exchange) {
    struct conn *conn = exchange->conn;
    usec_t hold = when_to_hold(exchange);

    for (;;) {
        uint32_t seen = event_value(&conn->event);

        lock_acquire(&exchange->lock);
        bool dialling = exchange->dialling;
        lock_release(&exchange->lock);
        if (!dialling)
            return;
        if (hold == USEC_NEVER) {
            (void)event_wait(&conn->event, seen);
        } else {
            (void)event_wait_until(&conn->event, seen, hold);
            if (clock_now() >= hold) {
                link_hold(&conn->hold, conn->fd);
                hold = USEC_NEVER;
            }
        }
    }
}

/* What was dialled, or why there is nothing. */
static enum end take_leg(struct exchange *exchange, const struct route_config *section) {
    struct conn *conn = exchange->conn;
    const struct exchange_road *road = exchange->road;

    lock_acquire(&conn->registry->lock);
    note_server(&conn->state->record, &exchange->dial_record);
    lock_release(&conn->registry->lock);
    if (exchange->dial_end != END_NONE)
        return exchange->dial_end;
    if (!let_in(exchange)) {
        holdings_give_back(&exchange->dial_has);
        return END_STOPPED;
    }
    if (!install_leg(exchange))
        return END_NO_SOCKET;
    exchange->leg_upstream = road->upstream(road->arg, exchange, section);
    return END_NONE;
}

enum end exchange_dial(struct exchange *exchange, const struct route_config *section) {
    struct conn *conn = exchange->conn;
    const struct exchange_road *road = exchange->road;

    exchange_set_phase(exchange, EXCHANGE_DIAL);
    lock_acquire(&exchange->lock);
    exchange->dialling = true;
    lock_release(&exchange->lock);
    road->dial(road->arg, exchange, section);
    await_dial(exchange);
    /* What comes next has all of its time, however long this took. */
    atomic_store(&conn->state->flow[DIR_UP].active, clock_coarse());
    return take_leg(exchange, section);
}

enum end exchange_get_leg(struct exchange *exchange, const struct route_config *section) {
    const struct exchange_road *road = exchange->road;

    if (!exchange_shares(exchange) || !exchange->request->repeatable ||
        !leg_pool_has_any(road->legs) || !road->take(road->arg, exchange, section))
        return exchange_dial(exchange, section);
    enum end end = take_leg(exchange, section);
    if (end != END_NONE)
        return end;
    lock_acquire(&exchange->lock);
    exchange->fresh = false;
    lock_release(&exchange->lock);
    return END_NONE;
}

int exchange_dial_status(enum end end) {
    return end_infos[end].status != 0 ? end_infos[end].status : 503;
}

void exchange_leg_failed(struct exchange *exchange, ssize_t r) {
    if (r != -EPIPE && r != -ECONNRESET && r != -EINTR)
        exchange_cut_leg(exchange, 0);
}

void exchange_cut_leg(struct exchange *exchange, uint16_t fault) {
    lock_acquire(&exchange->lock);
    exchange->leg_cut = true;
    if (fault != 0)
        exchange->fault = fault;
    lock_release(&exchange->lock);
    (void)shutdown(exchange->conn->fd[SIDE_SERVER], SHUT_RDWR);
}

void exchange_drop_leg(struct exchange *exchange) {
    struct conn *conn = exchange->conn;
    struct holdings left = HOLDINGS_NONE;

    forget_leg(exchange);
    (void)shutdown(conn->fd[SIDE_SERVER], SHUT_RDWR); /* ENOTCONN: it is gone already */
    lock_acquire(&conn->registry->lock);
    left.member = conn->member;
    left.line = conn->line;
    conn->member = NULL;
    conn->line = NULL;
    lock_release(&conn->registry->lock);
    holdings_give_back(&left);
    lock_acquire(&exchange->lock);
    exchange->leg = LEG_NONE;
    unsigned waiting = exchange->waiting;
    lock_release(&exchange->lock);
    exchange_tell(exchange, waiting);
}
