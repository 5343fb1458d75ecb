/* Fields that say how long a message is, whom it is for, and what its connection is. */
#include "wire/http1_parse.h"

/* Members of all Connection fields; real ones have two or three. More would cost the product with
 * the number of fields. */
#define MEMBERS_MAX 16

/* RFC 9112, 6.3 leaves it to us; nobody means it. */
static enum http1_outcome check_body_allowed(struct http1_parse *parse) {
    const struct http1_head *head = parse->head;

    if (parse->is_answer)
        return HTTP1_WHOLE;
    if (head->method == HTTP1_TRACE)
        return http1_fail(parse, 400, "it is a TRACE with a body");
    if (head->v1_0 &&
        (head->method == HTTP1_GET || head->method == HTTP1_HEAD || head->method == HTTP1_DELETE))
        return http1_fail(parse, 400, "it has a body, which no GET, HEAD or DELETE of 1.0 has");
    return HTTP1_WHOLE;
}

/* At most INT64_MAX: who counts in signed numbers must read the same. */
static enum http1_outcome take_content_length(struct http1_parse *parse, struct http1_span value) {
    uint64_t length = 0;

    if (parse->count[HTTP1_CONTENT_LENGTH] > 1)
        return http1_fail(parse, 400, "it has more than one Content-Length");
    if (parse->count[HTTP1_TRANSFER_ENCODING] > 0)
        return http1_fail(parse, 400, "it has both Transfer-Encoding and Content-Length");
    if (value.n < 1 || value.n > 19)
        return http1_fail(parse, 400, "its Content-Length has not 1 to 19 digits");
    for (size_t i = 0; i < value.n; i++) {
        if (!http1_byte_is(parse->bytes[value.at + i], HTTP1_IS_DIGIT))
            return http1_fail(parse, 400, "its Content-Length is no number");
        length = length * 10 + (uint64_t)(parse->bytes[value.at + i] - '0');
    }
    if (length > INT64_MAX)
        return http1_fail(parse, 400, "its Content-Length is more than 2^63 - 1");
    parse->head->content_length = length;
    return length > 0 ? check_body_allowed(parse) : HTTP1_WHOLE;
}

static enum http1_outcome take_coding(struct http1_parse *parse, struct http1_span value) {
    if (parse->count[HTTP1_TRANSFER_ENCODING] > 1)
        return http1_fail(parse, 400, "it has more than one Transfer-Encoding");
    if (parse->count[HTTP1_CONTENT_LENGTH] > 0)
        return http1_fail(parse, 400, "it has both Transfer-Encoding and Content-Length");
    if (parse->head->v1_0)
        return http1_fail(parse, 400, "it has a Transfer-Encoding, and is HTTP/1.0");
    if (!http1_is(parse->bytes, value, "chunked"))
        return http1_fail(parse, 501, "its Transfer-Encoding is something else than \"chunked\"");
    return check_body_allowed(parse);
}

/* An absolute target has said already. */
static enum http1_outcome take_host_field(struct http1_parse *parse, struct http1_span value) {
    struct http1_head *head = parse->head;
    struct http1_span host;

    if (parse->is_answer)
        return HTTP1_WHOLE;
    if (parse->count[HTTP1_HOST] > 1)
        return http1_fail(parse, 400, "it has more than one Host");
    if (!http1_read_authority(parse->bytes, value, &host))
        return http1_fail(parse, 400, "its Host is no host");
    if (head->absolute) {
        bool is_same = head->authority.n == value.n;

        for (size_t i = 0; is_same && i < value.n; i++)
            is_same = http1_lower(parse->bytes[head->authority.at + i]) ==
                      http1_lower(parse->bytes[value.at + i]);
        if (!is_same)
            return http1_fail(parse, 400, "its Host is another one than its target's");
    }
    head->authority = value;
    head->host = host;
    return HTTP1_WHOLE;
}

static enum http1_outcome take_expect(struct http1_parse *parse, struct http1_span value) {
    if (parse->is_answer)
        return HTTP1_WHOLE;
    if (parse->count[HTTP1_EXPECT] > 1 || !http1_is(parse->bytes, value, "100-continue"))
        return http1_fail(parse, 417, "it expects something else than 100-continue");
    parse->head->expects_continue = !parse->head->v1_0; /* RFC 9110, 10.1.1 */
    return HTTP1_WHOLE;
}

/* Connection */

/* Fields that a server may rely on: who names them wants them away. A server that names its
 * Transfer-Encoding is right, in a way (RFC 9110, 7.6.1), and some do. */
#define TO_STAY                                                                                    \
    (HTTP1_SET(HOST) | HTTP1_SET(CONTENT_LENGTH) | HTTP1_SET(COOKIE) | HTTP1_SET(SET_COOKIE) |     \
     HTTP1_SET(AUTHORIZATION) | HTTP1_SET(FORWARDED) | HTTP1_SET(VIA) | HTTP1_SET(X_REAL_IP) |     \
     HTTP1_SET(X_REQUEST_ID))

static bool must_stay(const struct http1_parse *parse, struct http1_span member) {
    static const char prefix[] = "x-forwarded-";
    struct http1_span start = {member.at, sizeof(prefix) - 1};
    bool is_like;
    enum http1_name name = http1_name_of(parse->bytes + member.at, member.n, &is_like);

    return http1_is_in(TO_STAY, name) || (name == HTTP1_TRANSFER_ENCODING && !parse->is_answer) ||
           (member.n >= start.n && http1_is(parse->bytes, start, prefix));
}

static enum http1_outcome take_member(struct http1_parse *parse, struct http1_span member) {
    for (size_t i = 0; i < member.n; i++)
        if (!http1_byte_is(parse->bytes[member.at + i], HTTP1_IS_TOKEN))
            return http1_fail(parse, 400, "its Connection has a member that is no token");
    if (++parse->members > MEMBERS_MAX)
        return http1_fail(parse, 400, "its Connection has more than 16 members");
    if (http1_is(parse->bytes, member, "close"))
        parse->says_close = true;
    else if (http1_is(parse->bytes, member, "keep-alive"))
        parse->says_keep_alive = true;
    else if (http1_is(parse->bytes, member, "upgrade"))
        parse->says_upgrade = true;
    else if (must_stay(parse, member))
        return http1_fail(parse, 400, "its Connection names a field that is not of the connection");
    else
        parse->names_fields |= member.n > 0;
    return HTTP1_WHOLE;
}

static enum http1_outcome take_connection(struct http1_parse *parse, struct http1_span value) {
    enum http1_outcome outcome = HTTP1_WHOLE;
    size_t at = value.at;
    struct http1_span member;

    while (outcome == HTTP1_WHOLE && http1_next_member(parse->bytes, value, &at, &member))
        outcome = take_member(parse, member);
    return outcome;
}

static void mark_fields_named(struct http1_parse *parse, struct http1_span member) {
    for (size_t i = 0; i < parse->head->n_fields; i++) {
        struct http1_field *field = &parse->head->fields[i];

        if (field->name.n == member.n) {
            size_t same = 0;

            while (same < member.n && http1_lower(parse->bytes[field->name.at + same]) ==
                                          http1_lower(parse->bytes[member.at + same]))
                same++;
            field->hop |= same == member.n;
        }
    }
}

static void mark_named(struct http1_parse *parse) {
    for (size_t i = 0; i < parse->head->n_fields; i++) {
        const struct http1_field *field = &parse->head->fields[i];
        size_t at = field->value.at;
        struct http1_span member;

        while (field->known == HTTP1_CONNECTION &&
               http1_next_member(parse->bytes, field->value, &at, &member))
            mark_fields_named(parse, member);
    }
}

/* RFC 9112, 9.3. RFC 9110, 7.8: Upgrade is not for 1.0, and may be ignored: behind a body it would
 * be hard to say where the other protocol begins. */
void http1_conclude(struct http1_parse *parse) {
    struct http1_head *head = parse->head;
    bool has_body = head->framing == HTTP1_CHUNKED || head->framing == HTTP1_UNTIL_END ||
                    (head->framing == HTTP1_LENGTH && head->content_length > 0);

    head->close = parse->says_close || (head->v1_0 && !parse->says_keep_alive) ||
                  head->framing == HTTP1_UNTIL_END;
    head->upgrades =
        parse->says_upgrade && parse->count[HTTP1_UPGRADE] == 1 && !head->v1_0 && !has_body;
    head->expects_continue &= has_body;
    if (parse->names_fields)
        mark_named(parse);
}

enum http1_outcome http1_take_known(struct http1_parse *parse, const struct http1_field *field) {
    parse->count[field->known]++;
    switch (field->known) {
    case HTTP1_HOST:
        return take_host_field(parse, field->value);
    case HTTP1_CONNECTION:
        return take_connection(parse, field->value);
    case HTTP1_CONTENT_LENGTH:
        return take_content_length(parse, field->value);
    case HTTP1_TRANSFER_ENCODING:
        return take_coding(parse, field->value);
    case HTTP1_EXPECT:
        return take_expect(parse, field->value);
    case HTTP1_UPGRADE:
        parse->head->upgrade = field->value;
        return HTTP1_WHOLE;
    default:
        return HTTP1_WHOLE;
    }
}
