/* What an exchange notes of its request, for the log (record/request_record.h). Each half is
 * written by the pump whose it is, and read once both have released the request. */
#include "conn/exchange_note.h"

#include <stddef.h>
#include <string.h>

#include "base/log_tap.h"
#include "base/text.h"
#include "conn/exchange_inside.h"
#include "record/access_log.h"

#define NOTE_TEXTS 6 /* of a record, each with its NUL */

void exchange_note_begin(struct exchange_request *request) {
    struct request_record *note = request->note;

    request->bytes = NULL;
    memset(note, 0, offsetof(struct request_record, texts) + NOTE_TEXTS);
    note->begun = clock_now();
}

static uint16_t note_text(char *to, const char *from, size_t n, size_t most) {
    n = n < most ? n : most;
    memcpy(to, from, n);
    to[n] = '\0';
    return (uint16_t)n;
}

/* The target as the client meant it: without the authority of an absolute form. */
static void note_target(struct exchange_request *request, const char *bytes) {
    struct request_record *note = request->note;
    const struct http1_head *head = &request->head;
    char *to = note->texts;

    (void)note_text(note->method, bytes + head->method_text.at, head->method_text.n,
                    sizeof(note->method) - 1);
    note->n_host = note_text(to, bytes + head->host.at, head->host.n, REQUEST_HOST_MOST);
    to += note->n_host + 1;
    size_t n = note_text(to, bytes + head->path.at, head->path.n, REQUEST_PATH_MOST);
    if (head->path.n == 0 && head->host.n == 0) /* of one that is bad */
        n = note_text(to, bytes + head->target.at, head->target.n, REQUEST_PATH_MOST);
    n += note_text(to + n, bytes + head->query.at, head->query.n, REQUEST_PATH_MOST - n);
    note->n_path = (uint16_t)n;
}

static uint16_t note_field(const struct exchange_request *request, enum http1_name name, char *to,
                           size_t most) {
    const struct http1_field *field = access_log_is_on() ? http1_find(&request->head, name) : NULL;

    return field != NULL ? note_text(to, request->bytes + field->value.at, field->value.n, most)
                         : note_text(to, "", 0, most);
}

/* Behind the target. */
static void note_client_texts(struct exchange_request *request) {
    struct request_record *note = request->note;
    char *to = note->texts + note->n_host + note->n_path + 2;

    note->n_agent = note_field(request, HTTP1_USER_AGENT, to, REQUEST_AGENT_MOST);
    to += note->n_agent + 1;
    note->n_referer = note_field(request, HTTP1_REFERER, to, REQUEST_REFERER_MOST);
    to += note->n_referer + 1;
    to[0] = to[1] = '\0'; /* no route, no reason */
}

void exchange_note_head(struct exchange *exchange, const char *bytes) {
    struct exchange_request *request = exchange->request;

    request->bytes = bytes;
    exchange_name_request(exchange);
    note_target(request, bytes);
    note_client_texts(request);
    memcpy(request->note->id, request->id, sizeof(request->note->id));
    request->note->v1_0 = request->head.v1_0;
    request->note->headed = clock_now();
}

void exchange_note_why(struct exchange *exchange, const char *why) {
    struct request_record *note = exchange->request->note;

    note->n_why = note_text(note->texts + (request_record_why(note) - note->texts), why,
                            strlen(why), REQUEST_WHY_MOST);
}

void exchange_note_bad(struct exchange *exchange, const char *bytes, const char *why) {
    struct request_record *note = exchange->request->note;

    note_target(exchange->request, bytes);
    memset(note->texts + note->n_host + note->n_path + 2, 0, NOTE_TEXTS - 2);
    exchange_note_why(exchange, why);
}

const char *exchange_say_request(struct exchange *exchange, char *buf, size_t size) {
    buf[0] = '\0';
    lock_acquire(&exchange->lock);
    if (exchange->visible != NULL && !exchange->closing) {
        const struct request_record *note = exchange->visible->note;
        const char *path = note->texts + note->n_host + 1;

        text_append(buf, size, "%s %s%.*s", note->method, note->texts, (int)strcspn(path, "?"),
                    path);
    }
    lock_release(&exchange->lock);
    return buf;
}

void exchange_note_route(struct exchange *exchange) {
    struct exchange_request *request = exchange->request;
    struct request_record *note = request->note;
    size_t used = (size_t)(request_record_route(note) - note->texts);
    char *to = note->texts + used;
    const char *pattern = request->route->pattern;

    if (request->route == &exchange->config->own)
        return;
    note->n_route =
        note_text(to, pattern, strlen(pattern), sizeof(note->texts) - used - REQUEST_WHY_MOST - 2);
    to[note->n_route + 1] = '\0'; /* no reason yet */
}

void exchange_note_leg(struct exchange *exchange) {
    struct request_record *note = exchange->request->note;
    const struct record *record = &exchange->conn->state->record;

    memcpy(note->upstream, record->upstream, sizeof(note->upstream));
    memcpy(note->server, record->server, sizeof(note->server));
    note->server_addr = record->server_addr;
    lock_acquire(&exchange->lock);
    note->reused = exchange->leg == LEG_ALIVE && !exchange->fresh;
    lock_release(&exchange->lock);
    note->queue = note->reused ? 0 : request_record_span(record->queued, record->popped);
    note->dial = note->reused ? 0 : request_record_span(record->popped, record->dialled);
}

void exchange_note_no_leg(struct exchange *exchange, enum end end) {
    const char *why = exchange->conn->state->record.why;

    if (end != exchange->dial_end) /* it was not dialled for this */
        return;
    if (why[0] == '\0' && exchange->dial_error != 0 && end != END_LOOP)
        why = strerrordesc_np(exchange->dial_error);
    if (why != NULL)
        exchange_note_why(exchange, why);
}

void exchange_note_first_byte(struct exchange *exchange) {
    struct exchange_request *request = exchange->request;

    if (request->note->answered == 0)
        request->note->answered = clock_now();
}

void exchange_note_answer(struct exchange *exchange, int status, bool own) {
    struct exchange_request *request = exchange->request;

    exchange->road->answered(exchange->road->arg, exchange, status, own);
    if (request == NULL)
        return;
    request->note->status = (uint16_t)status;
    request->note->own = own;
}

void exchange_note_page(struct exchange *exchange, size_t n) {
    if (exchange->request != NULL)
        exchange->request->note->page = (uint32_t)n;
}

void exchange_note_body(struct exchange *exchange, enum direction dir, uint64_t n) {
    exchange->request->note->bytes[dir] = n;
}

void exchange_note_failure(struct exchange *exchange, enum end end) {
    struct exchange_request *request = exchange->request;

    if (request != NULL && request->note->end == END_NONE && end_infos[end].failed)
        request->note->end = end;
}

/* Its route is still there, as not always behind an upgrade: its times are counted now. */
static void note_over(struct exchange *exchange) {
    struct request_record *note = exchange->request->note;

    note->whole = clock_now();
    exchange->road->over(exchange->road->arg, exchange);
}

void exchange_note_whole(struct exchange *exchange) {
    struct exchange_request *request = exchange->request;

    if (request != NULL && request->note->begun != 0 && request->note->whole == 0)
        note_over(exchange);
}

/* What its connection knows. */
static void note_connection(struct request_record *note, const struct record *record) {
    note->conn = record->number;
    note->client = record->client;
    memcpy(note->listener, record->listener, sizeof(note->listener));
    note->tls_version = record->tls_version;
    note->tls_suite = record->tls_suite;
}

void exchange_note_log(struct exchange *exchange) {
    struct exchange_request *request = exchange->request;

    if (request == NULL)
        return;
    struct request_record *note = request->note;
    if (note->begun == 0 || (note->headed == 0 && note->status == 0))
        return; /* no request came of these bytes */
    if (note->whole == 0) {
        exchange_note_failure(exchange, conn_end(exchange->conn));
        note_over(exchange);
    }
    bool logged = request_record_takes(note), heard = !logged && log_tap_hears(LOG_TAP_REQUESTS),
         filed = access_log_is_on();
    if (logged || heard || filed) {
        if (request->id[0] == '\0') /* its head was not understood */
            exchange_name_request(exchange);
        memcpy(note->id, request->id, sizeof(note->id));
        note->retries = request->sent - 1;
        note_connection(note, &exchange->conn->state->record);
        if (filed)
            access_log_add(note);
        if (logged || heard)
            request_record_log(note, logged);
    }
    note->begun = 0;
}
