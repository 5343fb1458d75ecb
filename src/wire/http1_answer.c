/* The head of an answer: its first line, and how long its body is. */
#include "wire/http1_parse.h"

#define STATUS_DIGITS 3

static enum http1_outcome take_status(struct http1_parse *parse) {
    uint16_t status = 0;

    for (size_t i = 0; i <= STATUS_DIGITS; i++, parse->at++) {
        if (parse->at == parse->n)
            return HTTP1_MORE;
        char byte = parse->bytes[parse->at];
        if (i == 0 ? byte != ' ' : !http1_byte_is(byte, HTTP1_IS_DIGIT))
            return http1_fail(parse, 502, "its status has not three digits behind one blank");
        if (i > 0)
            status = (uint16_t)(status * 10 + (byte - '0'));
        if (i == 1 && status == 0)
            return http1_fail(parse, 502, "its status is below 100");
    }
    parse->head->status = status;
    return HTTP1_WHOLE;
}

/* Without a reason, not all servers write the blank before it (RFC 9112, 4). */
static enum http1_outcome take_reason(struct http1_parse *parse) {
    size_t from;
    enum http1_outcome outcome;

    if (parse->at == parse->n)
        return HTTP1_MORE;
    if (parse->bytes[parse->at] != ' ')
        return http1_take_line_end(parse);
    from = ++parse->at;
    outcome = http1_skip_text(parse);
    parse->head->reason = http1_span_of(from, parse->at);
    return outcome == HTTP1_WHOLE ? http1_take_line_end(parse) : outcome;
}

static enum http1_outcome take_status_line(struct http1_parse *parse) {
    enum http1_outcome outcome = http1_take_version(parse);

    if (outcome == HTTP1_WHOLE)
        outcome = take_status(parse);
    if (outcome == HTTP1_WHOLE)
        outcome = take_reason(parse);
    return outcome;
}

/* RFC 9112, 6.3. */
static enum http1_framing framing_of(const struct http1_parse *parse, enum http1_method method) {
    uint16_t status = parse->head->status;

    if (status < 200 || status == 204 || status == 304 || method == HTTP1_HEAD)
        return HTTP1_NO_BODY;
    if (parse->count[HTTP1_TRANSFER_ENCODING] > 0)
        return HTTP1_CHUNKED;
    return parse->count[HTTP1_CONTENT_LENGTH] > 0 ? HTTP1_LENGTH : HTTP1_UNTIL_END;
}

enum http1_outcome http1_parse_answer(const char *bytes, size_t n, enum http1_method method,
                                      struct http1_head *ret_head, struct http1_fault *ret_fault) {
    struct http1_parse parse;
    enum http1_outcome outcome;

    http1_begin(&parse, bytes, n, ret_head, ret_fault);
    parse.is_answer = true;
    outcome = take_status_line(&parse);
    if (outcome == HTTP1_WHOLE)
        outcome = http1_take_fields(&parse);
    if (outcome == HTTP1_WHOLE) {
        ret_head->framing = framing_of(&parse, method);
        http1_conclude(&parse);
    }
    return http1_end(&parse, outcome);
}
