#include "handover/sound.h"

#include <stdatomic.h>
#include <string.h>

#define TIMEOUT_MOST (366 * (usec_t)86400 * USEC_PER_SEC) /* more than any option allows */

static bool is_config_name(const char name[CONFIG_NAME_MAX]) {
    return memchr(name, '\0', CONFIG_NAME_MAX) != NULL;
}

static bool is_addr(const struct addr *addr) {
    socklen_t least = sizeof(sa_family_t);

    if (addr->len == 0)
        return true;
    if (addr->len < least || addr->len > sizeof(addr->u))
        return false;
    switch (addr->u.sa.sa_family) {
    case AF_INET:
        return addr->len == sizeof(addr->u.in);
    case AF_INET6:
        return addr->len == sizeof(addr->u.in6);
    case AF_UNIX:
        return addr->len <= sizeof(addr->u.un);
    default:
        return false;
    }
}

static bool is_moment(usec_t moment, usec_t now) {
    return moment >= 0 && moment <= now;
}

static bool is_timeout(usec_t timeout) {
    return timeout >= 0 && timeout <= TIMEOUT_MOST;
}

/* A bool of which another process has written the byte. */
static bool is_bool(const void *byte) {
    unsigned char value;

    memcpy(&value, byte, 1);
    return value <= 1;
}

/* keys_die in conn.c */
static bool speaks_no_tls(const struct record *record) {
    return record->server_header == 0 && record->tls_version == 0 && record->tls_suite == 0 &&
           is_bool(&record->tls_resumed) && record->why[0] == '\0';
}

/* What a stranger's ClientHello said, made safe (record.h). */
static bool is_safe_word(const char *word, size_t size) {
    size_t n = strnlen(word, size);

    for (size_t i = 0; i < n; i++)
        if (word[i] <= ' ' || word[i] > '~')
            return false;
    return n < size;
}

static bool is_record(const struct record *record, usec_t now) {
    return record->number > 0 && is_config_name(record->listener) &&
           is_config_name(record->upstream) && is_config_name(record->server) &&
           record->client.len > 0 && is_addr(&record->client) && is_addr(&record->peer) &&
           record->server_addr.len > 0 && is_addr(&record->server_addr) &&
           is_addr(&record->listen_addr) && is_moment(record->accepted, now) &&
           is_moment(record->queued, now) && is_moment(record->popped, now) &&
           is_moment(record->dialled, now) && is_moment(record->answered, now) &&
           record->end < END_COUNT && record->error >= 0 &&
           is_safe_word(record->sni, sizeof(record->sni)) &&
           is_safe_word(record->alpn, sizeof(record->alpn)) && speaks_no_tls(record);
}

static bool are_options(const struct conn_options *options) {
    return is_timeout(options->idle_timeout) && is_timeout(options->linger_timeout) &&
           is_timeout(options->keepalive) && is_bool(&options->half_close) &&
           is_bool(&options->http) && options->idle_end <= IDLE_END_CLOSE &&
           options->copy <= COPY_SPLICE && options->log <= LOG_CONNECTIONS_NONE &&
           options->min_rate >= 0;
}

static bool is_flow(const struct flow *flow, usec_t now) UNCHECKED {
    return is_moment(atomic_load(&flow->active), now) &&
           is_moment(atomic_load(&flow->spoke), now) && is_moment(atomic_load(&flow->first), now) &&
           is_bool(&flow->writing) && is_bool(&flow->in_memory) && is_bool(&flow->ended) &&
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

    return atomic_load(&state->live) == CONN_STATE_LIVE && is_record(&state->record, now) &&
           are_options(&state->options) && is_flow(&state->flow[DIR_UP], now) &&
           is_flow(&state->flow[DIR_DOWN], now) && is_bool(&state->aborted) &&
           is_bool(&state->hard) && is_bool(&state->lingering) && is_bool(&state->decided) &&
           is_moment(state->expired, now) && is_timeout(state->told_idle) && is_decision(state);
}

bool listener_is_sound(const struct listen_description *listener) {
    return is_bool(&listener->used) && is_bool(&listener->v6only) &&
           is_bool(&listener->stands_in) && is_bool(&listener->unlinks) &&
           is_addr(&listener->addr) && listener->access.mode <= 0777 &&
           is_config_name(listener->listener);
}

bool state_lacks_bytes(const struct conn_state *state) {
    return atomic_load(&state->flow[DIR_UP].in_memory) ||
           atomic_load(&state->flow[DIR_DOWN].in_memory);
}
