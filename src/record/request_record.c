#include "record/request_record.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/foreign.h"
#include "base/text.h"
#include "wire/tls_suite.h"

#define PATH_SHOWN 160 /* bytes of a path in the sentence; the field has all of it */

_Static_assert(offsetof(struct request_record, texts) + REQUEST_HOST_MOST + REQUEST_PATH_MOST +
                       REQUEST_WHY_MOST + 6 <=
                   LOG_PAYLOAD_MAX,
               "it fits a log entry");
_Static_assert(REQUEST_HOST_MOST + REQUEST_PATH_MOST + REQUEST_AGENT_MOST + REQUEST_REFERER_MOST +
                       REQUEST_ROUTE_MOST + REQUEST_WHY_MOST + 6 <=
                   REQUEST_TEXTS_SIZE,
               "all texts always fit");

static _Atomic int chosen = LOG_REQUESTS_NONE;
static _Atomic usec_t slow_from;

void request_record_choose(enum log_requests which, usec_t slow) {
    atomic_store(&slow_from, slow);
    atomic_store(&chosen, (int)which);
}

const char *request_record_host(const struct request_record *r) {
    return r->texts;
}

const char *request_record_path(const struct request_record *r) {
    return r->texts + r->n_host + 1;
}

const char *request_record_agent(const struct request_record *r) {
    return request_record_path(r) + r->n_path + 1;
}

const char *request_record_referer(const struct request_record *r) {
    return request_record_agent(r) + r->n_agent + 1;
}

const char *request_record_route(const struct request_record *r) {
    return request_record_referer(r) + r->n_referer + 1;
}

const char *request_record_why(const struct request_record *r) {
    return request_record_route(r) + r->n_route + 1;
}

static bool are_moments(const struct request_record *record) {
    const usec_t all[] = {record->begun, record->headed, record->answered,
                          record->whole, record->queue,  record->dial};
    usec_t now = clock_now();

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (!foreign_is_moment(all[i], now))
            return false;
    return true;
}

bool request_record_is_sound(const struct request_record *record) {
    const char *texts = record->texts;
    const uint16_t sizes[] = {record->n_host,    record->n_path,  record->n_agent,
                              record->n_referer, record->n_route, record->n_why};
    size_t at = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (at + sizes[i] >= sizeof(record->texts) || texts[at + sizes[i]] != '\0' ||
            strlen(texts + at) != sizes[i])
            return false;
        at += (size_t)sizes[i] + 1;
    }
    return foreign_is_word(record->id, sizeof(record->id)) &&
           foreign_is_word(record->method, sizeof(record->method)) && are_moments(record) &&
           foreign_is_addr(&record->client) && foreign_is_addr(&record->server_addr) &&
           foreign_is_text(record->listener, sizeof(record->listener)) &&
           foreign_is_text(record->upstream, sizeof(record->upstream)) &&
           foreign_is_text(record->server, sizeof(record->server)) && record->end < END_COUNT &&
           foreign_is_bool(&record->own) && foreign_is_bool(&record->v1_0) &&
           foreign_is_bool(&record->reused);
}

size_t request_record_size(const struct request_record *r) {
    return (size_t)(request_record_why(r) + r->n_why + 1 - (const char *)r);
}

static bool has_failed(const struct request_record *r) {
    return r->end != END_NONE || r->status >= 500;
}

usec_t request_record_span(usec_t from, usec_t to) {
    return from > 0 && to > from ? to - from : 0;
}

static void tell_client(const struct request_fields *to, const struct addr *client) {
    char text[ADDR_TEXT_MAX];

    to->text(to->arg, "RELAYD_CLIENT", addr_format(client, text, sizeof(text)));
    to->text(to->arg, "RELAYD_CLIENT_ADDRESS", addr_format_host(client, text, sizeof(text)));
    if (!addr_is_unix(client))
        to->number(to->arg, "RELAYD_CLIENT_PORT", addr_port(client));
}

static void tell_server(const struct request_fields *to, const struct request_record *r) {
    char text[ADDR_TEXT_MAX];

    to->text(to->arg, "RELAYD_UPSTREAM", r->upstream);
    to->text(to->arg, "RELAYD_SERVER", r->server);
    if (r->server_addr.len == 0)
        return;
    to->text(to->arg, "RELAYD_SERVER_ADDRESS", addr_format(&r->server_addr, text, sizeof(text)));
    to->text(to->arg, "RELAYD_REUSED", r->reused ? "yes" : "no");
    to->number(to->arg, "RELAYD_RETRIES", r->retries);
}

static void tell_span(const struct request_fields *to, const char *name, usec_t from, usec_t then) {
    if (then > 0)
        to->number(to->arg, name, (unsigned long long)request_record_span(from, then));
}

void request_record_tell(const struct request_record *r, const struct request_fields *to) {
    to->text(to->arg, "RELAYD_REQUEST", r->id);
    to->number(to->arg, "RELAYD_CONN", r->conn);
    to->text(to->arg, "RELAYD_LISTENER", r->listener);
    tell_client(to, &r->client);
    to->text(to->arg, "RELAYD_METHOD", r->method);
    to->text(to->arg, "RELAYD_HOST", request_record_host(r));
    to->text(to->arg, "RELAYD_PATH", request_record_path(r));
    if (r->status != 0)
        to->number(to->arg, "RELAYD_STATUS", r->status);
    to->text(to->arg, "RELAYD_ROUTE", request_record_route(r));
    tell_server(to, r);
    to->number(to->arg, "RELAYD_BYTES_UP", r->bytes[DIR_UP]);
    to->number(to->arg, "RELAYD_BYTES_DOWN", r->bytes[DIR_DOWN]);
    tell_span(to, "RELAYD_HEAD_USEC", r->begun, r->headed);
    to->number(to->arg, "RELAYD_QUEUE_USEC", (unsigned long long)r->queue);
    to->number(to->arg, "RELAYD_DIAL_USEC", (unsigned long long)r->dial);
    tell_span(to, "RELAYD_FIRST_BYTE_USEC", r->headed, r->answered);
    tell_span(to, "RELAYD_DURATION_USEC", r->begun, r->whole);
    if (r->end != END_NONE)
        to->text(to->arg, "RELAYD_END", end_infos[r->end].code);
    to->text(to->arg, "RELAYD_WHY", request_record_why(r));
    to->text(to->arg, "RELAYD_TLS_VERSION", tls_version_name(r->tls_version));
    to->text(to->arg, "RELAYD_TLS_CIPHER", tls_suite_name(r->tls_suite));
    to->text(to->arg, "RELAYD_USER_AGENT", request_record_agent(r));
    to->text(to->arg, "RELAYD_REFERER", request_record_referer(r));
}

/* "GET example.com/path" */
static void format_target(const struct request_record *r, char *buf, size_t size) {
    buf[0] = '\0';
    if (r->method[0] == '\0')
        text_append(buf, size, "that was not understood");
    else
        text_append(buf, size, "%s%s%s%.*s%s", r->method, r->n_host + r->n_path > 0 ? " " : "",
                    request_record_host(r), PATH_SHOWN, request_record_path(r),
                    r->n_path > PATH_SHOWN ? "..." : "");
}

static void format_server(const struct request_record *r, char *buf, size_t size) {
    char address[ADDR_TEXT_MAX];

    buf[0] = '\0';
    if (r->server_addr.len > 0)
        snprintf(buf, size, " at %s/%s (%s)", r->upstream, r->server,
                 addr_format(&r->server_addr, address, sizeof(address)));
    else if (r->upstream[0] != '\0')
        snprintf(buf, size, " at %s", r->upstream);
}

static void format_outcome(const struct request_record *r, char *buf, size_t size) {
    if (r->status != 0)
        snprintf(buf, size, "got %u%s", r->status, r->own ? " from relayd" : "");
    else
        snprintf(buf, size, "got no answer");
    if (r->end != END_NONE)
        text_append(buf, size, "; its connection %s%s%s", end_infos[r->end].sentence,
                    r->n_why > 0 ? ": " : "", request_record_why(r));
    else if (r->n_why > 0)
        text_append(buf, size, ": %s", request_record_why(r));
}

static void format_request_sentence(struct log_line *line, const struct request_record *r) {
    char target[REQUEST_METHOD_SIZE + REQUEST_HOST_MOST + PATH_SHOWN + 8];
    char server[ADDR_TEXT_MAX + 2 * CONFIG_NAME_MAX + 16], outcome[192 + REQUEST_WHY_MOST],
        client[ADDR_TEXT_MAX];
    char up[32], down[32], lasted[32];

    format_target(r, target, sizeof(target));
    format_server(r, server, sizeof(server));
    format_outcome(r, outcome, sizeof(outcome));
    log_line_text(line, "Request %s from %s to %s%s %s. %s up, %s down; %s in all.%s%s%s", target,
                  addr_format(&r->client, client, sizeof(client)), r->listener, server, outcome,
                  text_human_bytes(r->bytes[DIR_UP], up, sizeof(up)),
                  text_human_bytes(r->bytes[DIR_DOWN], down, sizeof(down)),
                  text_human_time(request_record_span(r->begun, r->whole), lasted, sizeof(lasted)),
                  r->end != END_NONE ? " [" : "", r->end != END_NONE ? end_infos[r->end].code : "",
                  r->end != END_NONE ? "]" : "");
}

static void add_line_text(void *line, const char *name, const char *value) {
    log_line_field(line, name, value);
}

static void add_line_number(void *line, const char *name, unsigned long long number) {
    log_line_number(line, name, number);
}

static void format_request(struct log_line *line, const void *payload) {
    const struct request_fields to = {
        .text = add_line_text, .number = add_line_number, .arg = line};

    format_request_sentence(line, payload);
    request_record_tell(payload, &to);
}

/* One that was there when the limit was reached stands for all of them. */
static void format_more_requests(struct log_line *line, const void *last, unsigned long count) {
    const struct request_record *r = last;
    char client[ADDR_TEXT_MAX];

    log_line_text(line, "%lu more requests within a second%s, one of them from %s to %s.", count,
                  has_failed(r) ? " that failed" : "",
                  addr_format(&r->client, client, sizeof(client)), r->listener);
    log_line_number(line, "RELAYD_COUNT", count);
    log_line_field(line, "RELAYD_LISTENER", r->listener);
    tell_client(
        &(struct request_fields){.text = add_line_text, .number = add_line_number, .arg = line},
        &r->client);
}

/* So many a second are logged one by one, of either kind. */
#define REQUESTS_EACH_SECOND 1000
#define FAILED_EACH_SECOND   500

static const struct log_group request_groups[2] = {
    [false] = {LOG_GROUP_COUNT - 3, REQUESTS_EACH_SECOND, MSG_REQUESTS, format_more_requests},
    [true] = {LOG_GROUP_COUNT - 4, FAILED_EACH_SECOND, MSG_REQUESTS_FAILED, format_more_requests},
};

_Static_assert(END_COUNT < LOG_GROUP_COUNT - 3, "these groups are no end's (record.c)");

bool request_record_takes(const struct request_record *record) {
    bool failed = has_failed(record);

    switch (atomic_load_explicit(&chosen, memory_order_relaxed)) {
    case LOG_REQUESTS_NONE:
        return false;
    case LOG_REQUESTS_FAILED:
        if (!failed)
            return false;
        break;
    case LOG_REQUESTS_SLOW:
        if (!failed && request_record_span(record->begun, record->whole) < atomic_load(&slow_from))
            return false;
        break;
    default:
        break;
    }
    return !log_passes_over(failed ? MSG_REQUEST_FAILED : MSG_REQUEST, &request_groups[failed]);
}

/* Route and reason are the last of its texts. */
static void cut_client_texts(struct request_record *r) {
    char *to = r->texts + r->n_host + r->n_path + 2;

    memmove(to + 2, request_record_route(r), r->n_route + r->n_why + 2U);
    to[0] = to[1] = '\0';
    r->n_agent = r->n_referer = 0;
}

static void cut_route(struct request_record *r, size_t n) {
    char *end = r->texts + (request_record_why(r) - 1 - r->texts);

    memmove(end - n, end, r->n_why + 2U);
    r->n_route = (uint16_t)(r->n_route - n);
}

void request_record_log(struct request_record *record, bool written) {
    bool failed = has_failed(record);
    enum log_kind kind = failed ? MSG_REQUEST_FAILED : MSG_REQUEST;

    if (request_record_size(record) > LOG_PAYLOAD_MAX)
        cut_client_texts(record);
    if (request_record_size(record) > LOG_PAYLOAD_MAX)
        cut_route(record, request_record_size(record) - LOG_PAYLOAD_MAX);
    size_t size = request_record_size(record);
    if (written)
        log_event_grouped(kind, format_request, record, size, &request_groups[failed]);
    else
        log_event_heard(kind, format_request, record, size);
}
