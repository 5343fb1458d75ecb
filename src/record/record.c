#include "record/record.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "record/spans.h"
#include "wire/tls_suite.h"

/* A record of a client with a certificate, as it is logged. */
struct borne_record {
    struct record record; /* first: format_more_records */
    char bearer[sizeof(struct bearer) + PROXY_SUBJECT_MAX];
};

_Static_assert(sizeof(struct borne_record) <= LOG_PAYLOAD_MAX, "a record fits a log entry");

#define WHO_MAX 80 /* bytes of a subject in the sentence; the field has all of it */

static usec_t span_between(usec_t from, usec_t to) {
    return from > 0 && to > from ? to - from : 0;
}

/* Such as ECONNREFUSED: a word that an alert can match, in any locale. */
static const char *error_name(int error) {
    const char *name = strerrorname_np(error);

    return name != NULL ? name : "unknown";
}

/* "192.0.2.7:5100 (CN=alice)" */
static void format_client(const struct record *r, const struct bearer *bearer, char *buf,
                          size_t size) {
    char address[ADDR_TEXT_MAX], who[WHO_MAX] = "";

    if (bearer != NULL)
        text_append(who, sizeof(who), "%s", bearer->subject);
    addr_format(&r->client, address, sizeof(address));
    snprintf(buf, size, who[0] != '\0' ? "%s (%s)" : "%s", address, who);
}

static void format_sentence(struct log_line *line, const struct record *r, const char *client) {
    char server[ADDR_TEXT_MAX + CONFIG_NAME_MAX + 8] = "", address[ADDR_TEXT_MAX];
    char up[32], down[32], queue[32], dial[32], lasted[32], error[RECORD_WHY_MAX + 8] = "";
    bool known = r->upstream[0] != '\0'; /* else it did not come so far */

    if (r->server_addr.len > 0)
        snprintf(server, sizeof(server), "/%s (%s)", r->server,
                 addr_format(&r->server_addr, address, sizeof(address)));
    else if (r->server[0] != '\0')
        snprintf(server, sizeof(server), "/%s", r->server);
    if (r->why[0] != '\0')
        snprintf(error, sizeof(error), ": %s", r->why);
    else if (r->error != 0 && r->end != END_LOOP) /* whose errno says it in other words */
        snprintf(error, sizeof(error), " (%s)", strerrordesc_np(r->error));
    log_line_text(line,
                  "Connection %llu from %s to %s%s%s%s%s%s %s%s. %s up, %s down; %s in the queue, "
                  "%s to connect, %s in all. [%s]",
                  (unsigned long long)r->number, client, r->listener,
                  r->sni[0] != '\0' ? " for " : "", r->sni, known ? " at " : "", r->upstream,
                  server, end_infos[r->end].sentence, error,
                  text_human_bytes(r->bytes[DIR_UP], up, sizeof(up)),
                  text_human_bytes(r->bytes[DIR_DOWN], down, sizeof(down)),
                  text_human_time(span_between(r->queued, r->popped), queue, sizeof(queue)),
                  text_human_time(span_between(r->popped, r->dialled), dial, sizeof(dial)),
                  text_human_time(span_between(r->accepted, r->ended), lasted, sizeof(lasted)),
                  end_infos[r->end].code);
}

static void add_addr(struct log_line *line, const char *name, const struct addr *addr) {
    char text[ADDR_TEXT_MAX];

    log_line_field(line, name, addr->len > 0 ? addr_format(addr, text, sizeof(text)) : "");
}

/* Once as one word, and once in parts, which other tools ask for. */
static void add_client(struct log_line *line, const struct addr *client) {
    char host[ADDR_TEXT_MAX];

    add_addr(line, "RELAYD_CLIENT", client);
    log_line_field(line, "RELAYD_CLIENT_ADDRESS", addr_format_host(client, host, sizeof(host)));
    if (!addr_is_unix(client))
        log_line_number(line, "RELAYD_CLIENT_PORT", addr_port(client));
}

static void add_span(struct log_line *line, const char *name, usec_t from, usec_t to) {
    log_line_number(line, name, (unsigned long long)span_between(from, to));
}

static void add_bearer(struct log_line *line, const struct bearer *bearer) {
    char fingerprint[BEARER_FINGERPRINT_TEXT];

    log_line_field(line, "RELAYD_TLS_CLIENT", bearer->subject);
    log_line_field(line, "RELAYD_TLS_CLIENT_FINGERPRINT",
                   bearer_say_fingerprint(bearer, fingerprint));
}

static void write_record(struct log_line *line, const struct record *r,
                         const struct bearer *bearer) {
    char client[ADDR_TEXT_MAX + WHO_MAX + 4];

    format_client(r, bearer, client, sizeof(client));
    format_sentence(line, r, client);
    log_line_number(line, "RELAYD_CONN", r->number);
    log_line_field(line, "RELAYD_LISTENER", r->listener);
    add_addr(line, "RELAYD_LISTEN_ADDRESS", &r->listen_addr);
    add_client(line, &r->client);
    add_addr(line, "RELAYD_PEER", &r->peer);
    log_line_field(line, "RELAYD_UPSTREAM", r->upstream);
    log_line_field(line, "RELAYD_SERVER", r->server);
    add_addr(line, "RELAYD_SERVER_ADDRESS", &r->server_addr);
    log_line_number(line, "RELAYD_ATTEMPTS", r->attempts);
    log_line_field(line, "RELAYD_END", end_infos[r->end].code);
    log_line_field(line, "RELAYD_ERROR", r->error != 0 ? error_name(r->error) : "");
    log_line_field(line, "RELAYD_WHY", r->why);
    log_line_field(line, "RELAYD_TLS_VERSION", tls_version_name(r->tls_version));
    log_line_field(line, "RELAYD_TLS_CIPHER", tls_suite_name(r->tls_suite));
    if (r->tls_version != 0)
        log_line_field(line, "RELAYD_TLS_RESUMED", r->tls_resumed ? "yes" : "no");
    log_line_number(line, "RELAYD_BYTES_UP", r->bytes[DIR_UP]);
    log_line_number(line, "RELAYD_BYTES_DOWN", r->bytes[DIR_DOWN]);
    add_span(line, "RELAYD_QUEUE_USEC", r->queued, r->popped);
    add_span(line, "RELAYD_DIAL_USEC", r->popped, r->dialled);
    add_span(line, "RELAYD_DURATION_USEC", r->accepted, r->ended);
    log_line_field(line, "RELAYD_TLS_SNI", r->sni);
    log_line_field(line, "RELAYD_TLS_ALPN", r->alpn);
    if (bearer != NULL)
        add_bearer(line, bearer);
}

static void format_record(struct log_line *line, const void *payload) {
    write_record(line, payload, NULL);
}

static void format_borne_record(struct log_line *line, const void *payload) {
    const struct borne_record *borne = payload;

    write_record(line, &borne->record, (const struct bearer *)borne->bearer);
}

static void format_more_records(struct log_line *line, const void *last, unsigned long count) {
    const struct record *r = last;
    char client[ADDR_TEXT_MAX];

    addr_format(&r->client, client, sizeof(client));
    log_line_text(line,
                  "%lu more connections within a second: each %s. The last was from %s to %s. [%s]",
                  count, end_infos[r->end].sentence, client, r->listener, end_infos[r->end].code);
    log_line_number(line, "RELAYD_COUNT", count);
    log_line_field(line, "RELAYD_LISTENER", r->listener);
    add_client(line, &r->client);
    log_line_field(line, "RELAYD_UPSTREAM", r->upstream);
    log_line_field(line, "RELAYD_END", end_infos[r->end].code);
}

/* How many ends of one kind are logged one by one in a second: whatever strangers do, the log has
 * an end. What was never relayed comes in floods; then what was cut off; of the others, many are an
 * ordinary day, and one line each is what the operator asked for. */
#define REFUSED_EACH_SECOND 100
#define CUT_EACH_SECOND     500
#define ORDERLY_EACH_SECOND 1000

#define EACH_SECOND(phase, failed)                                                                 \
    ((phase) < END_PHASE_RELAY ? REFUSED_EACH_SECOND                                               \
     : (failed)                ? CUT_EACH_SECOND                                                   \
                               : ORDERLY_EACH_SECOND)

static const struct log_group groups[END_COUNT] = {
#define END(name, code, failed, phase, answer, status, counter, brief, sentence, advice)           \
    [END_##name] = {END_##name, EACH_SECOND(END_PHASE_##phase, failed),                            \
                    (failed) ? MSG_CONNECTIONS_FAILED : MSG_CONNECTIONS_ENDED,                     \
                    format_more_records},
#include "record/ends.def"
};

_Static_assert(END_COUNT < LOG_GROUP_COUNT, "each end has a group, and others have theirs");

static void note_spans(const struct record *record) {
    spans_note(SPAN_QUEUE, record->queued, record->popped);
    spans_note(SPAN_DIAL, record->popped, record->dialled);
    spans_note(SPAN_FIRST_BYTE, record->dialled, record->answered);
    if (end_infos[record->end].phase == END_PHASE_RELAY && record->dialled > 0)
        spans_note(SPAN_DURATION, record->accepted, record->ended);
}

static void send_record(enum log_kind kind, log_format_fn *format, const void *payload, size_t size,
                        enum end end, bool written) {
    if (written)
        log_event_grouped(kind, format, payload, size, &groups[end]);
    else
        log_event_heard(kind, format, payload, size);
}

/* Apart: the stack that it takes stays with a pump's thread. */
__attribute__((noinline)) static void send_borne_record(enum log_kind kind,
                                                        const struct record *record,
                                                        const struct bearer *bearer, bool written) {
    struct borne_record borne;
    size_t n = bearer_size(bearer);

    borne.record = *record;
    memcpy(borne.bearer, bearer, n);
    send_record(kind, format_borne_record, &borne, offsetof(struct borne_record, bearer) + n,
                record->end, written);
}

void record_log(const struct record *record, const struct bearer *bearer,
                enum log_connections policy) {
    bool failed = end_infos[record->end].failed;
    enum log_kind kind = failed ? MSG_CONNECTION_FAILED : MSG_CONNECTION;

    CHECK(record->end != END_NONE);
    note_spans(record);
    bool written = policy != LOG_CONNECTIONS_NONE && (policy != LOG_CONNECTIONS_FAILED || failed);
    if (bearer == NULL)
        send_record(kind, format_record, record, sizeof(*record), record->end, written);
    else
        send_borne_record(kind, record, bearer, written);
}
