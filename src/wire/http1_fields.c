/* Field lines: their syntax, and which of them relayd knows. */
#include <string.h>

#include "wire/http1_parse.h"

/* In lower case. A name added here is added to names_of_length, too. */
static const char *const http1_names[HTTP1_NAME_COUNT] = {
    [HTTP1_OTHER] = "",
    [HTTP1_HOST] = "host",
    [HTTP1_CONNECTION] = "connection",
    [HTTP1_CONTENT_LENGTH] = "content-length",
    [HTTP1_TRANSFER_ENCODING] = "transfer-encoding",
    [HTTP1_EXPECT] = "expect",
    [HTTP1_UPGRADE] = "upgrade",
    [HTTP1_KEEP_ALIVE] = "keep-alive",
    [HTTP1_PROXY_CONNECTION] = "proxy-connection",
    [HTTP1_TE] = "te",
    [HTTP1_TRAILER] = "trailer",
    [HTTP1_HTTP2_SETTINGS] = "http2-settings",
    [HTTP1_COOKIE] = "cookie",
    [HTTP1_SET_COOKIE] = "set-cookie",
    [HTTP1_AUTHORIZATION] = "authorization",
    [HTTP1_USER_AGENT] = "user-agent",
    [HTTP1_REFERER] = "referer",
    [HTTP1_LOCATION] = "location",
    [HTTP1_FORWARDED] = "forwarded",
    [HTTP1_VIA] = "via",
    [HTTP1_X_FORWARDED_FOR] = "x-forwarded-for",
    [HTTP1_X_FORWARDED_PROTO] = "x-forwarded-proto",
    [HTTP1_X_FORWARDED_HOST] = "x-forwarded-host",
    [HTTP1_X_REAL_IP] = "x-real-ip",
    [HTTP1_X_REQUEST_ID] = "x-request-id",
};

#define OF_ONE_LENGTH 4
static const uint8_t names_of_length[][OF_ONE_LENGTH] = {
    [2] = {HTTP1_TE},
    [3] = {HTTP1_VIA},
    [4] = {HTTP1_HOST},
    [6] = {HTTP1_COOKIE, HTTP1_EXPECT},
    [7] = {HTTP1_UPGRADE, HTTP1_REFERER, HTTP1_TRAILER},
    [8] = {HTTP1_LOCATION},
    [9] = {HTTP1_X_REAL_IP, HTTP1_FORWARDED},
    [10] = {HTTP1_CONNECTION, HTTP1_USER_AGENT, HTTP1_SET_COOKIE, HTTP1_KEEP_ALIVE},
    [12] = {HTTP1_X_REQUEST_ID},
    [13] = {HTTP1_AUTHORIZATION},
    [14] = {HTTP1_CONTENT_LENGTH, HTTP1_HTTP2_SETTINGS},
    [15] = {HTTP1_X_FORWARDED_FOR},
    [16] = {HTTP1_X_FORWARDED_HOST, HTTP1_PROXY_CONNECTION},
    [17] = {HTTP1_TRANSFER_ENCODING, HTTP1_X_FORWARDED_PROTO},
};

static bool name_matches(const char *name, size_t n, const char *known, bool *ret_is_like) {
    bool is_like = false;

    for (size_t i = 0; i < n; i++) {
        bool under = name[i] == '_' && known[i] == '-';

        if (!under && http1_lower(name[i]) != known[i])
            return false;
        is_like |= under;
    }
    *ret_is_like = is_like;
    return true;
}

enum http1_name http1_name_of(const char *name, size_t n, bool *ret_is_like) {
    *ret_is_like = false;
    if (n >= ARRAY_LEN(names_of_length))
        return HTTP1_OTHER;
    for (size_t i = 0; i < OF_ONE_LENGTH && names_of_length[n][i] != HTTP1_OTHER; i++) {
        uint8_t known = names_of_length[n][i];

        if (name_matches(name, n, http1_names[known], ret_is_like))
            return *ret_is_like ? HTTP1_OTHER : (enum http1_name)known;
    }
    return HTTP1_OTHER;
}

/* RFC 9110, 7.6.1, and 7.8; what goes on is written anew. */
#define OF_CONNECTION                                                                              \
    (HTTP1_SET(CONNECTION) | HTTP1_SET(TRANSFER_ENCODING) | HTTP1_SET(UPGRADE) |                   \
     HTTP1_SET(KEEP_ALIVE) | HTTP1_SET(PROXY_CONNECTION) | HTTP1_SET(TE) | HTTP1_SET(TRAILER) |    \
     HTTP1_SET(HTTP2_SETTINGS))

static enum http1_outcome take_field_name(struct http1_parse *parse, struct http1_field *field) {
    size_t from = parse->at, at = from;

    while (at < parse->n && http1_byte_is(parse->bytes[at], HTTP1_IS_TOKEN))
        at++;
    parse->at = at;
    if (at == parse->n)
        return HTTP1_MORE;
    if (parse->bytes[at] == ':' && at > from) {
        field->name = http1_span_of(from, at);
        parse->at++;
        return HTTP1_WHOLE;
    }
    if (parse->bytes[at] == ':')
        return http1_fail(parse, 400, "a field of it has no name");
    if (http1_is_blank(parse->bytes[at]))
        return http1_fail(parse, 400,
                          at == from ? "a line of it begins with a blank (folding)"
                                     : "a field of it has a blank before the colon");
    if (parse->bytes[at] == '\r' || parse->bytes[at] == '\n')
        return http1_fail(parse, 400, "a field line of it has no colon");
    return http1_fail(parse, 400, "the name of a field has a character that no name has");
}

static enum http1_outcome take_field_line(struct http1_parse *parse) {
    struct http1_head *head = parse->head;
    struct http1_field *field = &head->fields[head->n_fields];
    size_t from = parse->at, to;
    enum http1_outcome outcome = take_field_name(parse, field);
    bool is_like;

    if (outcome != HTTP1_WHOLE)
        return outcome;
    size_t behind_name = parse->at;
    outcome = http1_skip_text(parse);
    to = parse->at;
    if (outcome == HTTP1_WHOLE)
        outcome = http1_take_line_end(parse);
    if (outcome != HTTP1_WHOLE)
        return outcome;
    field->line = http1_span_of(from, parse->at);
    field->value = http1_trim(parse->bytes, behind_name, to);
    enum http1_name known = http1_name_of(parse->bytes + field->name.at, field->name.n, &is_like);
    field->known = (uint8_t)known;
    field->hop = is_like || http1_is_in(OF_CONNECTION, known);
    head->n_fields++;
    return known == HTTP1_OTHER ? HTTP1_WHOLE : http1_take_known(parse, field);
}

enum http1_outcome http1_take_fields(struct http1_parse *parse) {
    while (parse->at < parse->n) {
        if (parse->bytes[parse->at] == '\r' || parse->bytes[parse->at] == '\n')
            return http1_take_line_end(parse);
        if (parse->head->n_fields == HTTP1_FIELDS_MAX)
            return http1_fail(parse, 431, "it has more than 100 fields");
        enum http1_outcome outcome = take_field_line(parse);
        if (outcome != HTTP1_WHOLE)
            return outcome;
    }
    return HTTP1_MORE;
}
