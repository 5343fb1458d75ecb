#include "handover/sound.h"

#include <stdatomic.h>

#include "base/foreign.h"

#define TIMEOUT_MOST (366 * (usec_t)86400 * USEC_PER_SEC) /* more than any option allows */

#define ENDS_IN(text) foreign_is_text((text), sizeof(text))

static bool is_timeout(usec_t timeout) {
    return timeout >= 0 && timeout <= TIMEOUT_MOST;
}

/* What the passages say of keys is looked at with these (conn/passage.h). */
static bool is_tls(const struct record *record, bool by_steps) {
    bool none = record->tls_version == 0 && record->tls_suite == 0;

    return (by_steps || none) && foreign_is_bool(&record->tls_resumed) && ENDS_IN(record->why);
}

/* In mode http there may be none yet. */
static bool is_server_or_none(const struct record *record, bool http) {
    bool none = http && record->server[0] == '\0' && record->server_addr.len == 0;

    return none || (ENDS_IN(record->server) && record->server_addr.len > 0 &&
                    foreign_is_addr(&record->server_addr));
}

static bool is_record(const struct record *record, bool http, bool by_steps, usec_t now) {
    return record->number > 0 && ENDS_IN(record->listener) &&
           (ENDS_IN(record->upstream) || (http && record->upstream[0] == '\0')) &&
           is_server_or_none(record, http) && record->client.len > 0 &&
           foreign_is_addr(&record->client) && foreign_is_addr(&record->peer) &&
           foreign_is_addr(&record->listen_addr) && foreign_is_moment(record->accepted, now) &&
           foreign_is_moment(record->queued, now) && foreign_is_moment(record->popped, now) &&
           foreign_is_moment(record->dialled, now) && foreign_is_moment(record->answered, now) &&
           record->end < END_COUNT && record->error >= 0 &&
           foreign_is_word(record->sni, sizeof(record->sni)) &&
           foreign_is_word(record->alpn, sizeof(record->alpn)) && is_tls(record, by_steps);
}

static bool are_options(const struct conn_options *options) {
    return is_timeout(options->idle_timeout) && is_timeout(options->linger_timeout) &&
           is_timeout(options->keepalive) && foreign_is_bool(&options->half_close) &&
           foreign_is_bool(&options->http) && foreign_is_bool(&options->exchanges) &&
           options->idle_end <= IDLE_END_CLOSE && options->copy <= COPY_SPLICE &&
           options->log <= LOG_CONNECTIONS_NONE && options->min_rate >= 0;
}

static bool is_flow(const struct flow *flow, usec_t now) UNCHECKED {
    return foreign_is_moment(atomic_load(&flow->active), now) &&
           foreign_is_moment(atomic_load(&flow->spoke), now) &&
           foreign_is_moment(atomic_load(&flow->first), now) && foreign_is_bool(&flow->writing) &&
           foreign_is_bool(&flow->in_memory) && foreign_is_bool(&flow->ended) &&
           flow->sink_error >= 0;
}

/* What calls for a decision is noted after it (survives in conn_state.h). */
static bool is_decision(const struct conn_state *state) UNCHECKED {
    const struct flow *up = &state->flow[DIR_UP], *down = &state->flow[DIR_DOWN];
    bool needed = up->ended || down->ended || (up->sink_error != 0 && down->sink_error != 0) ||
                  state->aborted || state->expired != 0;

    return state->decided ? state->record.end != END_NONE : !needed;
}

bool state_is_sound(const struct conn_state *state) UNCHECKED {
    usec_t now = clock_now();

    return atomic_load(&state->live) == CONN_STATE_LIVE &&
           are_options(&state->options) && /* before one of them is looked at */
           foreign_is_bool(&state->by_steps) && (state->by_steps || !state->options.exchanges) &&
           is_record(&state->record, state->options.exchanges, state->by_steps, now) &&
           is_flow(&state->flow[DIR_UP], now) && is_flow(&state->flow[DIR_DOWN], now) &&
           foreign_is_bool(&state->aborted) && foreign_is_bool(&state->hard) &&
           foreign_is_bool(&state->lingering) && foreign_is_bool(&state->decided) &&
           foreign_is_moment(state->expired, now) && is_timeout(state->told_idle) &&
           is_decision(state);
}

/* One after the other, each after a byte with its length. */
static bool are_names(const uint8_t *names, size_t n) {
    size_t at = 0;

    while (at < n)
        at += 1 + (size_t)names[at];
    return at == n;
}

bool shown_is_sound(const struct proxy_certificate *shown) {
    return foreign_is_bool(&shown->verified) && foreign_is_bool(&shown->resumed) &&
           ENDS_IN(shown->common) && ENDS_IN(shown->subject) && ENDS_IN(shown->signature) &&
           ENDS_IN(shown->key) && shown->n_names <= sizeof(shown->names) &&
           are_names(shown->names, shown->n_names);
}

bool listener_is_sound(const struct listen_description *listener) {
    return foreign_is_bool(&listener->used) && foreign_is_bool(&listener->v6only) &&
           foreign_is_bool(&listener->stands_in) && foreign_is_bool(&listener->unlinks) &&
           foreign_is_addr(&listener->addr) && listener->access.mode <= 0777 &&
           ENDS_IN(listener->listener);
}

bool state_lacks_bytes(const struct conn_state *state) {
    return atomic_load(&state->flow[DIR_UP].in_memory) ||
           atomic_load(&state->flow[DIR_DOWN].in_memory);
}
