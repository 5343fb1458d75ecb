/* The head of a request: its first line, and what the fields must say of it. */
#include <string.h>

#include "wire/http1_parse.h"
#include "wire/tls_record.h"

/* The known ones have at most 17 (RFC 9110, 16.1.1). */
#define METHOD_MAX 32

static const struct {
    const char *text;
    enum http1_method method;
} methods[] = {
    {"GET", HTTP1_GET},         {"HEAD", HTTP1_HEAD},     {"POST", HTTP1_POST},
    {"PUT", HTTP1_PUT},         {"DELETE", HTTP1_DELETE}, {"CONNECT", HTTP1_CONNECT},
    {"OPTIONS", HTTP1_OPTIONS}, {"TRACE", HTTP1_TRACE},   {"PATCH", HTTP1_PATCH},
};

static enum http1_method method_of(const char *text, size_t n) {
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (strlen(methods[i].text) == n && memcmp(methods[i].text, text, n) == 0)
            return methods[i].method;
    return HTTP1_METHOD_OTHER;
}

bool http1_is_idempotent(enum http1_method method) {
    return method == HTTP1_GET || method == HTTP1_HEAD || method == HTTP1_PUT ||
           method == HTTP1_DELETE || method == HTTP1_OPTIONS || method == HTTP1_TRACE;
}

/* RFC 9112, 2.2: one empty line may come before it. */
static enum http1_outcome skip_empty_line(struct http1_parse *parse) {
    if (parse->n == 0 || (parse->bytes[0] != '\r' && parse->bytes[0] != '\n'))
        return HTTP1_WHOLE;
    enum http1_outcome outcome = http1_take_line_end(parse);
    parse->head->skipped = (uint16_t)parse->at;
    return outcome;
}

/* What speaks another protocol is told by how it begins (by_prefix: by no byte behind that). */
static const char *why_no_method(const struct http1_parse *parse, size_t from, size_t at) {
    if (at == from && parse->bytes[at] == TLS_HANDSHAKE)
        return "it begins as TLS does: its client speaks https where http is expected";
    if (at == from && from > 0 && parse->bytes[at] == '\r')
        return "it begins with two empty lines, as a PROXY header of version 2 does (accept_proxy)";
    return "it does not begin with a method and a blank";
}

static enum http1_outcome take_method(struct http1_parse *parse) {
    size_t from = parse->at, at = from;

    while (at < parse->n && at - from <= METHOD_MAX &&
           http1_byte_is(parse->bytes[at], HTTP1_IS_TOKEN))
        at++;
    if (at - from > METHOD_MAX)
        return http1_fail(parse, 501, "its method is longer than 32 bytes");
    if (at == parse->n)
        return HTTP1_MORE;
    if (parse->bytes[at] != ' ' || at == from)
        return http1_fail(parse, 400, why_no_method(parse, from, at));
    parse->head->method_text = http1_span_of(from, at);
    parse->head->method = method_of(parse->bytes + from, at - from);
    parse->at = at + 1;
    return HTTP1_WHOLE;
}

static enum http1_outcome take_target(struct http1_parse *parse) {
    size_t from = parse->at, at = from;

    while (at < parse->n && http1_byte_is(parse->bytes[at], HTTP1_IS_TARGET))
        at++;
    if (at - from > HTTP1_TARGET_MAX)
        return http1_fail(parse, 414, "its target is longer than 8192 bytes");
    if (at == parse->n)
        return HTTP1_MORE;
    if (at == from)
        return http1_fail(parse, 400, "one blank and a target do not follow its method");
    if (parse->bytes[at] == '\r' || parse->bytes[at] == '\n')
        return http1_fail(parse, 400, "its first line has no version (HTTP/0.9)");
    if (parse->bytes[at] != ' ')
        return http1_fail(parse, 400, "its target has a character that no target has");
    parse->head->target = http1_span_of(from, at);
    parse->at = at + 1;
    return HTTP1_WHOLE;
}

/* From the path on. */
static void part_target(struct http1_parse *parse, size_t from) {
    struct http1_head *head = parse->head;
    size_t end = (size_t)head->target.at + head->target.n;
    const char *query = memchr(parse->bytes + from, '?', end - from);
    size_t path_end = query == NULL ? end : (size_t)(query - parse->bytes);

    head->path = http1_span_of(from, path_end);
    head->query = http1_span_of(path_end, end);
}

/* RFC 9112, 3.2.2. */
static enum http1_outcome take_absolute(struct http1_parse *parse) {
    struct http1_head *head = parse->head;
    size_t at = head->target.at, end = at + head->target.n, from;
    struct http1_span http = {(uint16_t)at, 7}, https = {(uint16_t)at, 8};

    if (head->target.n >= http.n && http1_is(parse->bytes, http, "http://"))
        at += http.n;
    else if (head->target.n >= https.n && http1_is(parse->bytes, https, "https://"))
        at += https.n;
    else
        return http1_fail(parse, 400, "its target is neither a path nor an address of http");
    from = at;
    while (at < end && parse->bytes[at] != '/' && parse->bytes[at] != '?')
        at++;
    head->authority = http1_span_of(from, at);
    if (!http1_read_authority(parse->bytes, head->authority, &head->host))
        return http1_fail(parse, 400, "its target has no host, or one that is none");
    head->absolute = true;
    part_target(parse, at);
    return HTTP1_WHOLE;
}

/* RFC 9112, 3.2. */
static enum http1_outcome judge_target(struct http1_parse *parse) {
    struct http1_head *head = parse->head;
    char first = parse->bytes[head->target.at];

    if (head->method == HTTP1_CONNECT)
        return http1_fail(parse, 405, "its method is CONNECT");
    if (first == '/') {
        part_target(parse, head->target.at);
        return HTTP1_WHOLE;
    }
    if (first != '*' || head->target.n > 1)
        return take_absolute(parse);
    if (head->method != HTTP1_OPTIONS)
        return http1_fail(parse, 400, "its target is \"*\", and its method not OPTIONS");
    head->path = head->target;
    return HTTP1_WHOLE;
}

static enum http1_outcome take_request_line(struct http1_parse *parse) {
    enum http1_outcome outcome = skip_empty_line(parse);

    if (outcome == HTTP1_WHOLE)
        outcome = take_method(parse);
    if (outcome == HTTP1_WHOLE)
        outcome = take_target(parse);
    if (outcome == HTTP1_WHOLE)
        outcome = http1_take_version(parse);
    if (outcome == HTTP1_WHOLE)
        outcome = http1_take_line_end(parse);
    if (outcome == HTTP1_WHOLE)
        outcome = judge_target(parse);
    return outcome;
}

/* All fields are known. */
static enum http1_outcome conclude_request(struct http1_parse *parse) {
    struct http1_head *head = parse->head;

    if (parse->count[HTTP1_HOST] == 0 && !head->v1_0)
        return http1_fail(parse, 400, "it has no Host");
    if (parse->count[HTTP1_TRANSFER_ENCODING] > 0)
        head->framing = HTTP1_CHUNKED;
    else if (parse->count[HTTP1_CONTENT_LENGTH] > 0)
        head->framing = HTTP1_LENGTH;
    http1_conclude(parse);
    return HTTP1_WHOLE;
}

enum http1_outcome http1_parse_request(const char *bytes, size_t n, struct http1_head *ret_head,
                                       struct http1_fault *ret_fault) {
    struct http1_parse parse;
    enum http1_outcome outcome;

    http1_begin(&parse, bytes, n, ret_head, ret_fault);
    outcome = take_request_line(&parse);
    if (outcome == HTTP1_WHOLE)
        outcome = http1_take_fields(&parse);
    if (outcome == HTTP1_WHOLE)
        outcome = conclude_request(&parse);
    return http1_end(&parse, outcome);
}
