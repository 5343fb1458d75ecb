/* Legs that go on to another client, and come from another one: shared_leg. */
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/thread.h"
#include "conn/exchange_inside.h"
#include "conn/leg_pool.h"
#include "http/binding.h"

#define LEG_PROVEN 2u                    /* clean exchanges, before another client may have it */
#define LEG_LET_GO (100 * USEC_PER_MSEC) /* how long down may take to leave it */

bool exchange_shares(const struct exchange *exchange) {
    return exchange->config != NULL && exchange->config->reuse == REUSE_PROVEN;
}

/* A server that answers without having read a body takes it for the next request: that must not be
 * another client's. So only what could be sent over a shared leg keeps one shared. */
void exchange_note_request(struct exchange *exchange) {
    const struct exchange_request *request = exchange->request;

    exchange_note_binding(exchange, request->bytes, &request->head);
    if (!request->repeatable)
        exchange->leg_private = true;
}

void exchange_note_binding(struct exchange *exchange, const char *bytes,
                           const struct http1_head *head) {
    if (exchange_shares(exchange) && !exchange->leg_private && http_binds(bytes, head))
        exchange->leg_private = true;
}

/* An answer without a body that announces one: where the server is wrong about that, what it sends
 * all the same comes later. */
static bool is_ambiguous(const struct http1_head *answer) {
    return answer->framing == HTTP1_UNTIL_END || answer->v1_0 || answer->close ||
           (answer->framing == HTTP1_NO_BODY &&
            (answer->content_length > 0 || http1_find(answer, HTTP1_TRANSFER_ENCODING) != NULL));
}

void exchange_judge_leg(struct exchange *exchange, bool clean) {
    if (!clean || exchange->leg_private || is_ambiguous(&exchange->request->answer_head))
        exchange->leg_private = true;
    else
        exchange->leg_served++;
}

bool exchange_may_share_leg(struct exchange *exchange) {
    const struct exchange_road *road = exchange->road;

    return exchange_shares(exchange) && !exchange->leg_private &&
           exchange->leg_served >= LEG_PROVEN &&
           exchange->leg_epoch == leg_pool_epoch(road->legs) &&
           !atomic_load_explicit(&exchange->conn->registry->drains, memory_order_relaxed) &&
           !atomic_load(&exchange->conn->over) && road->shares(road->arg, exchange);
}

/* Its descriptor leads nowhere from now on; what else shuts that down does the leg no harm. False:
 * no descriptor. */
static bool detach_leg(struct exchange *exchange, struct idle_leg *leg) {
    struct conn *conn = exchange->conn;

    if (conn->passages != NULL)
        conn->passages->leg.cookie = 0; /* it is no longer this one's */
    leg->fd = dup(conn->fd[SIDE_SERVER]);
    if (leg->fd >= 0 && dup3(exchange->road->nowhere, conn->fd[SIDE_SERVER], O_CLOEXEC) < 0)
        fd_close(&leg->fd);
    if (leg->fd < 0)
        return false;
    leg->tls = conn->tls[SIDE_SERVER];
    conn->tls[SIDE_SERVER] = NULL;
    lock_acquire(&conn->registry->lock);
    leg->address = conn->state->record.server_addr;
    leg->received += conn->state->record.server_header;
    lock_release(&conn->registry->lock);
    leg->member = conn_member(conn);
    return true;
}

void exchange_share_leg(struct exchange_side *down) {
    struct exchange *exchange = down->exchange;
    struct registry *registry = down->conn->registry;
    struct idle_leg leg = {.fd = -1,
                           .listener = exchange->leg_listener,
                           .upstream = exchange->leg_upstream,
                           .epoch = exchange->leg_epoch,
                           .served = exchange->leg_served,
                           .received = down->in.received};
    bool empty = stream_is_empty(&down->in);

    stream_end(&down->in); /* its reads may be timed: before the descriptor is another's */
    bool detached = empty && exchange_may_share_leg(exchange) && detach_leg(exchange, &leg);
    exchange_drop_leg(exchange);
    if (detached && leg_pool_put(exchange->road->legs, &leg))
        registry_wake_by(registry, clock_now() + LEG_IDLE_MAX);
}

bool exchange_yields(struct exchange *exchange) {
    lock_acquire(&exchange->lock);
    bool yields = exchange->yields;
    lock_release(&exchange->lock);
    return yields;
}

/* Down is blocked in reading from it (interrupt_note in base/thread.h). */
void exchange_yield_leg(struct exchange *exchange) {
    if (!exchange_may_share_leg(exchange))
        return;
    usec_t until = clock_now() + LEG_LET_GO, now;
    lock_acquire(&exchange->lock);
    bool yields = exchange->leg == LEG_ALIVE && !exchange->closing && !exchange->under_way;
    exchange->yields = yields;
    lock_release(&exchange->lock);
    while (yields && (now = clock_now()) < until) {
        exchange->interrupt_down(exchange->pair);
        if (exchange_await(exchange, exchange_has_no_leg, now + THREAD_INTERRUPT_AGAIN) ||
            atomic_load(&exchange->conn->over) || exchange_parks(exchange))
            break;
    }
    lock_acquire(&exchange->lock);
    exchange->yields = false;
    lock_release(&exchange->lock);
}
