#include "control/connection.h"

#include <linux/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "conn/sweep.h"
#include "control/connections.h"
#include "wire/tls_suite.h"

/* As the kernel numbers them (linux/tcp_states.h, which is not for programs). */
static const char *const tcp_states[] = {"?",          "established", "syn_sent",  "syn_recv",
                                         "fin_wait1",  "fin_wait2",   "time_wait", "close",
                                         "close_wait", "last_ack",    "listen",    "closing"};

/* What changes under the registry's lock. */
struct fate {
    bool decided, aborted, lingering;
    enum end end;
    int error;
    usec_t told_idle;
};

static struct fate read_fate(struct conn *conn) {
    const struct conn_state *state = conn->state;

    lock_acquire(&conn->registry->lock);
    const struct fate fate = {.decided = state->decided,
                              .aborted = state->aborted,
                              .lingering = state->lingering,
                              .end = state->record.end,
                              .error = state->record.error,
                              .told_idle = conn->state->told_idle};
    lock_release(&conn->registry->lock);
    return fate;
}

/* null: it is no TCP socket. */
static json_t *describe_tcp(int fd) {
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        return json_null();
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "state",
                     tcp_states[info.tcpi_state < ARRAY_LEN(tcp_states) ? info.tcpi_state : 0],
                     "rtt_us", (json_int_t)info.tcpi_rtt, "rttvar_us", (json_int_t)info.tcpi_rttvar,
                     "retransmits", (json_int_t)info.tcpi_total_retrans, "cwnd",
                     (json_int_t)info.tcpi_snd_cwnd, "mss", (json_int_t)info.tcpi_snd_mss,
                     "unacked", (json_int_t)info.tcpi_unacked, "notsent_bytes",
                     (json_int_t)info.tcpi_notsent_bytes, "silent_us",
                     (json_int_t)info.tcpi_last_data_recv * USEC_PER_MSEC);
}

typedef int name_fn(int fd, struct sockaddr *addr, socklen_t *len);

static json_t *describe_end_of(int fd, name_fn *ask) {
    struct addr addr = {.len = sizeof(addr.u)};
    char text[ADDR_TEXT_MAX];

    return ask(fd, &addr.u.sa, &addr.len) == 0 ? json_string(addr_format(&addr, text, sizeof(text)))
                                               : json_null();
}

/* null: there is none, of a client that was refused. With a reference to its conn. */
static json_t *describe_socket(int fd) {
    if (fd < 0)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "local", describe_end_of(fd, getsockname), "remote",
                     describe_end_of(fd, getpeername), "tcp", describe_tcp(fd));
}

static json_t *describe_options(const struct conn_options *options) {
    static const char *const copies[] = {
        [COPY_AUTO] = "auto", [COPY_BUFFER] = "buffer", [COPY_SPLICE] = "splice"};

    return json_pack(
        "{s:s, s:s, s:I, s:s, s:I, s:I, s:b, s:I}", "mode", options->http ? "http" : "tcp", "copy",
        copies[options->copy], "idle_timeout_us", (json_int_t)options->idle_timeout, "idle_end",
        options->idle_end == IDLE_END_CLOSE ? "close" : "reset", "linger_timeout_us",
        (json_int_t)options->linger_timeout, "keepalive_us", (json_int_t)options->keepalive,
        "half_close", options->half_close, "min_rate", (json_int_t)options->min_rate);
}

/* null: it is plain, or passes through. */
static json_t *describe_tls(const struct record *record, const struct bearer *bearer) {
    char fingerprint[BEARER_FINGERPRINT_TEXT];

    if (record->tls_version == 0)
        return json_null();
    return json_pack("{s:s, s:s, s:b, s:s?, s:s?}", "version",
                     tls_version_name(record->tls_version), "cipher",
                     tls_suite_name(record->tls_suite), "resumed", (int)record->tls_resumed,
                     "client", bearer != NULL ? bearer->subject : NULL, "client_fingerprint",
                     bearer != NULL ? bearer_say_fingerprint(bearer, fingerprint) : NULL);
}

/* Since the accept; null: not yet, or never. */
static json_t *span_since(const struct record *record, usec_t moment) {
    return moment > 0 ? json_integer((json_int_t)usec_later(moment - record->accepted, 0))
                      : json_null();
}

static json_t *describe_moments(const struct conn_state *state) {
    const struct record *record = &state->record;
    const struct flow *up = &state->flow[DIR_UP], *down = &state->flow[DIR_DOWN];

    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "accepted",
                     (json_int_t)clock_wall(record->accepted), "queued_us",
                     span_since(record, record->queued), "popped_us",
                     span_since(record, record->popped), "connected_us",
                     span_since(record, record->dialled), "first_up_us",
                     span_since(record, atomic_load(&up->first)), "first_down_us",
                     span_since(record, atomic_load(&down->first)), "last_up_us",
                     span_since(record, atomic_load(&up->spoke)), "last_down_us",
                     span_since(record, atomic_load(&down->spoke)));
}

/* null: there is no keeper. */
static json_t *describe_hold(const struct question *question, const struct conn *conn) {
    const struct link *link = relay_link(question->relay);

    return link != NULL && link_is_up(link)
               ? json_boolean(conn_is_held(conn, atomic_load(&link->epoch)))
               : json_null();
}

static json_t *describe_fate(struct conn *conn) {
    const struct fate fate = read_fate(conn);

    return json_pack(
        "{s:b, s:b, s:b, s:s?, s:s?, s:s?, s:o}", "decided", fate.decided, "reset", fate.aborted,
        "lingering", fate.lingering, "end", fate.decided ? end_infos[fate.end].code : NULL, "why",
        fate.decided ? end_infos[fate.end].sentence : NULL, "error",
        fate.decided && fate.error != 0 ? strerrordesc_np(fate.error) : NULL, "once_silent_us",
        fate.told_idle > 0 ? json_integer((json_int_t)fate.told_idle) : json_null());
}

/* With a reference. NULL: no memory. */
static json_t *describe_connection(const struct question *question, struct conn *conn) {
    const struct conn_state *state = conn->state;
    const struct record *record = &state->record;
    char client[ADDR_TEXT_MAX], peer[ADDR_TEXT_MAX];
    struct conn_server server;
    usec_t now = clock_now(),
           active = usec_later(usec_later(atomic_load(&state->flow[DIR_UP].active),
                                          atomic_load(&state->flow[DIR_DOWN].active)),
                               record->accepted);

    conn_say_server(conn, &server);
    return json_pack(
        "{s:o, s:I, s:s, s:s?, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, "
        "s:{s:o, s:o}, s:o, s:o, s:o, s:o}",
        "tls", describe_tls(record, conn->bearer), "id", (json_int_t)record->number, "client",
        addr_format(&record->client, client, sizeof(client)), "proxy",
        record->peer.len > 0 ? addr_format(&record->peer, peer, sizeof(peer)) : NULL, "listener",
        record->listener, "upstream", server.upstream, "server", server.server, "sni", record->sni,
        "alpn", record->alpn, "phase", connections_phase(conn), "age_us",
        (json_int_t)usec_later(now - record->accepted, 0), "idle_us",
        (json_int_t)usec_later(now - active, 0), "up",
        (json_int_t)atomic_load(&state->flow[DIR_UP].bytes), "down",
        (json_int_t)atomic_load(&state->flow[DIR_DOWN].bytes), "attempts",
        (json_int_t)record->attempts, "sockets", "client", describe_socket(conn->fd[SIDE_CLIENT]),
        "server", describe_socket(conn->fd[SIDE_SERVER]), "options",
        describe_options(&state->options), "moments", describe_moments(state), "held",
        describe_hold(question, conn), "ending", describe_fate(conn));
}

struct reply connection_reply(const struct question *question) {
    const char *wanted = question->argument(question->arg, "id");
    char sentence[160];
    int64_t id;

    if (wanted == NULL || !text_parse_number(wanted, &id))
        return reply_error(400, "which connection? id=N, its number in GET /connections");
    struct conn *conn = sweep_find(&question->relay->road.registry, (uint64_t)id);
    if (conn == NULL) {
        snprintf(sentence, sizeof(sentence),
                 "there is no connection %lld that is established; the log has how those ended "
                 "that were",
                 (long long)id);
        return reply_error(404, sentence);
    }
    json_t *json = describe_connection(question, conn);
    conn_unref(conn);
    return reply_json(200, json);
}
