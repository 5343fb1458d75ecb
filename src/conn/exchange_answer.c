/* What relayd itself answers to a request. */
#include <errno.h>
#include <string.h>

#include "conn/answer.h"
#include "conn/exchange_inside.h"

/* By the pages of the route, or of the listener. */
static struct error_page page_of(const struct exchange *exchange, int status, enum end end) {
    const struct exchange_request *request = exchange->request;
    const struct error_pages *pages =
        request != NULL && request->route != NULL ? request->route->pages : exchange->config->pages;

    return answer_page(status, end, pages);
}

/* A client of 1.0 goes on only if it is told so. */
static const char *connection_field(const struct exchange_request *request, bool close) {
    if (close)
        return ANSWER_CLOSE;
    return request != NULL && request->head.v1_0 ? "Connection: keep-alive\r\n" : "";
}

static int send_own(struct exchange_side *side, int status, enum end end, bool close) {
    const struct exchange_request *request = side->exchange->request;
    struct error_page page = page_of(side->exchange, status, end);
    bool bare = request != NULL && request->head.method == HTTP1_HEAD;
    char head[ANSWER_HEAD_MAX];
    size_t n = answer_head(head, status, end, &page, connection_field(request, close));
    struct iovec parts[] = {{head, n}, {(void *)(uintptr_t)page.body, page.n}};
    exchange_note_answer(side->exchange, status, true);
    exchange_note_page(side->exchange, bare ? 0 : page.n);

    return exchange_send_own(side, parts, bare ? 1 : 2);
}

static int send_redirect(struct exchange_side *side, bool close) {
    struct exchange_request *request = side->exchange->request;
    struct http_facts facts = exchange_facts(side->exchange);
    struct http_out *out = &request->answer_out;

    int r = http_redirect(request->bytes, &request->head, &facts, close, out);
    if (r < 0)
        return send_own(side, r == -EINVAL ? 400 : 414, END_NONE, close);
    exchange_note_answer(side->exchange, http_redirect_status(&facts), true);
    return exchange_send_own(side, out->parts, out->n);
}

int exchange_answer(struct exchange_side *side, int status, enum end end, bool close) {
    exchange_note_failure(side->exchange, end);
    int r = status == EXCHANGE_REDIRECT ? send_redirect(side, close)
                                        : send_own(side, status, end, close);

    if (r == 0)
        exchange_note_whole(side->exchange);
    return r;
}

static size_t write_hex(char *to, uint64_t n, size_t digits) {
    for (size_t i = digits; i-- > 0; n >>= 4)
        to[i] = "0123456789abcdef"[n & 15];
    return digits;
}

/* What a proxy in front calls it, if that is trusted, and it is fit for logs. */
static bool keep_id(struct exchange_request *request) {
    const struct http1_field *field =
        request->bytes != NULL ? http1_find(&request->head, HTTP1_X_REQUEST_ID) : NULL;

    if (field == NULL || field->hop || field->value.n == 0 || field->value.n >= sizeof(request->id))
        return false;
    const char *value = request->bytes + field->value.at;
    for (size_t i = 0; i < field->value.n; i++)
        if (value[i] <= ' ' || value[i] > '~')
            return false;
    memcpy(request->id, value, field->value.n);
    request->id[field->value.n] = '\0';
    return true;
}

/* Unique among all requests of all relayds, as far as random keys are: not a secret. */
void exchange_name_request(struct exchange *exchange) {
    uint64_t number = exchange->conn->state->record.number, count = ++exchange->requests;
    char *id = exchange->request->id;

    if (exchange->trusted && keep_id(exchange->request))
        return;
    size_t n = write_hex(id, siphash(exchange->road->key, number, count), 16);

    n += write_hex(id + n, number << 24 ^ count, 16);
    id[n] = '\0';
}
