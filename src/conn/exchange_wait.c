/* How the pumps of an exchange wait: for each other, and to go on in the next process. */
#include <errno.h>
#include <stdatomic.h>

#include "base/event.h"
#include "conn/exchange_inside.h"

bool exchange_parks(const struct exchange *exchange) {
    const struct conn *conn = exchange->conn;

    return conn->passages != NULL && atomic_load(&conn->registry->rests) &&
           !atomic_load(&conn->state->flow[DIR_UP].in_memory) &&
           !atomic_load(&conn->state->flow[DIR_DOWN].in_memory);
}

/* Waiting */

void exchange_tell(struct exchange *exchange, unsigned waiting) {
    if (waiting > 0)
        event_bump(&exchange->conn->event);
}

bool exchange_await(struct exchange *exchange, exchange_holds_fn *holds, usec_t until) {
    struct conn *conn = exchange->conn;
    bool held, late = false;

    lock_acquire(&exchange->lock);
    exchange->waiting++;
    for (;;) {
        uint32_t seen = event_value(&conn->event);

        held = holds(exchange);
        if (held || late || atomic_load(&conn->over) || exchange_parks(exchange))
            break;
        lock_release(&exchange->lock);
        if (until == USEC_NEVER)
            (void)event_wait(&conn->event, seen);
        else
            (void)event_wait_until(&conn->event, seen, until);
        late = until != USEC_NEVER && clock_now() >= until;
        lock_acquire(&exchange->lock);
    }
    exchange->waiting--;
    lock_release(&exchange->lock);
    return held;
}

bool exchange_is_quiet(const struct exchange *exchange) UNCHECKED {
    return !exchange->under_way || exchange->closing;
}

bool exchange_is_closing(const struct exchange *exchange) UNCHECKED {
    return exchange->closing;
}

bool exchange_has_leg(const struct exchange *exchange) UNCHECKED {
    return exchange->leg == LEG_ALIVE || exchange->closing;
}

bool exchange_has_no_leg(const struct exchange *exchange) UNCHECKED {
    return exchange->leg == LEG_NONE || exchange->closing;
}

bool exchange_may_go_on(const struct exchange *exchange) UNCHECKED {
    return exchange->continues || exchange_is_quiet(exchange);
}

bool exchange_has_sent(const struct exchange *exchange) UNCHECKED {
    return exchange->users < 2 || exchange->closing;
}

bool exchange_is_decided(const struct exchange *exchange) UNCHECKED {
    return exchange->upgraded || exchange_is_quiet(exchange);
}

bool exchange_is_quiet_now(struct exchange *exchange) {
    lock_acquire(&exchange->lock);
    bool quiet = !exchange->under_way;
    lock_release(&exchange->lock);
    return quiet;
}

bool exchange_is_closing_now(struct exchange *exchange) {
    lock_acquire(&exchange->lock);
    bool closing = exchange->closing;
    lock_release(&exchange->lock);
    return closing;
}
