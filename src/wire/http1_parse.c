#include "wire/http1_parse.h"

#include <string.h>

#include "wire/tls_record.h"

/* Classes, from their definitions */

#define LETTER(c) (((c) | 0x20) >= 'a' && ((c) | 0x20) <= 'z')
#define DIGIT(c)  ((c) >= '0' && (c) <= '9')
#define MARK(c)                                                                                    \
    ((c) == '!' || (c) == '#' || (c) == '$' || (c) == '%' || (c) == '&' || (c) == '\'' ||          \
     (c) == '*' || (c) == '+' || (c) == '-' || (c) == '.' || (c) == '^' || (c) == '_' ||           \
     (c) == '`' || (c) == '|' || (c) == '~')
#define UNRESERVED(c)                                                                              \
    (LETTER(c) || DIGIT(c) || (c) == '-' || (c) == '.' || (c) == '_' || (c) == '~')
#define CLASSES(c)                                                                                 \
    (LETTER(c) || DIGIT(c) || MARK(c) ? HTTP1_IS_TOKEN : 0) |                                      \
        ((c) > ' ' && (c) < 0x7f && (c) != '#' ? HTTP1_IS_TARGET : 0) |                            \
        (((c) >= ' ' && (c) != 0x7f) || (c) == '\t' ? HTTP1_IS_TEXT : 0) |                         \
        (UNRESERVED(c) ? HTTP1_IS_HOST : 0) | (DIGIT(c) ? HTTP1_IS_DIGIT : 0)
#define CLASSES_4(c)  CLASSES(c), CLASSES((c) + 1), CLASSES((c) + 2), CLASSES((c) + 3)
#define CLASSES_16(c) CLASSES_4(c), CLASSES_4((c) + 4), CLASSES_4((c) + 8), CLASSES_4((c) + 12)
#define CLASSES_64(c)                                                                              \
    CLASSES_16(c), CLASSES_16((c) + 16), CLASSES_16((c) + 32), CLASSES_16((c) + 48)

const uint8_t http1_classes[256] = {CLASSES_64(0), CLASSES_64(64), CLASSES_64(128),
                                    CLASSES_64(192)};

/* Steps */

void http1_begin(struct http1_parse *parse, const char *bytes, size_t n, struct http1_head *head,
                 struct http1_fault *fault) {
    memset(head, 0, offsetof(struct http1_head, fields));
    *parse = (struct http1_parse){
        .bytes = bytes,
        .n = n < HTTP1_HEAD_MAX ? n : HTTP1_HEAD_MAX,
        .head = head,
        .fault = fault,
    };
}

enum http1_outcome http1_fail(struct http1_parse *parse, uint16_t status, const char *why) {
    *parse->fault = (struct http1_fault){parse->is_answer ? 502 : status, why};
    return HTTP1_BAD;
}

enum http1_outcome http1_end(struct http1_parse *parse, enum http1_outcome outcome) {
    if (outcome == HTTP1_MORE && parse->n == HTTP1_HEAD_MAX)
        return http1_fail(parse, 431, "its head is longer than 16384 bytes");
    if (outcome == HTTP1_WHOLE)
        parse->head->length = (uint16_t)parse->at;
    return outcome;
}

/* What speaks another protocol is told by how it begins (by_prefix: by no byte behind that). */
static const char *why_no_version(const struct http1_parse *parse) {
    static const char proxy[] = "PROXY";
    const struct http1_span method = parse->head->method_text;
    unsigned char first = (unsigned char)parse->bytes[0];

    if (parse->is_answer && (first == TLS_ALERT || first == TLS_HANDSHAKE))
        return "it begins as TLS does: if the server speaks https at this port, its upstream needs "
               "a tls section";
    if (parse->is_answer && first == 0)
        return "it begins as HTTP/2 does, which needs a listener with mode = tcp";
    if (!parse->is_answer && method.n == sizeof(proxy) - 1 &&
        memcmp(parse->bytes + method.at, proxy, method.n) == 0)
        return "it begins with a PROXY header that is not expected (accept_proxy)";
    return "its first line has no version where one should be";
}

enum http1_outcome http1_take_version(struct http1_parse *parse) {
    static const char form[] = "HTTP/d.d";
    char major, minor;

    for (size_t i = 0; i < sizeof(form) - 1; i++, parse->at++) {
        if (parse->at == parse->n)
            return HTTP1_MORE;
        char byte = parse->bytes[parse->at];
        if (form[i] == 'd' ? !http1_byte_is(byte, HTTP1_IS_DIGIT) : byte != form[i])
            return http1_fail(parse, 400, why_no_version(parse));
    }
    major = parse->bytes[parse->at - 3];
    minor = parse->bytes[parse->at - 1];
    if (major != '1' || minor > '1')
        return http1_fail(parse, 505, "its version is neither HTTP/1.0 nor HTTP/1.1");
    parse->head->v1_0 = minor == '0';
    return HTTP1_WHOLE;
}

enum http1_outcome http1_take_line_end(struct http1_parse *parse) {
    if (parse->at == parse->n)
        return HTTP1_MORE;
    if (parse->bytes[parse->at] == '\n')
        return http1_fail(parse, 400, "a line of it ends with a bare LF");
    if (parse->bytes[parse->at] != '\r')
        return http1_fail(parse, 400, "a line of it does not end where it should");
    if (parse->at + 1 == parse->n)
        return HTTP1_MORE;
    if (parse->bytes[parse->at + 1] != '\n')
        return http1_fail(parse, 400, "it has a bare CR");
    parse->at += 2;
    return HTTP1_WHOLE;
}

/* Whether none of 8 bytes is a control (HTAB counts as one here): below 0x20, or 0x7f. */
static inline bool are_plain_text(const char *bytes) {
    const uint64_t ones = UINT64_MAX / 255, tops = ones * 0x80;
    uint64_t word, not_del;

    memcpy(&word, bytes, sizeof(word));
    not_del = word ^ ones * 0x7f;
    return (((word - ones * 0x20) & ~word) & tops) == 0 &&
           (((not_del - ones) & ~not_del) & tops) == 0;
}

enum http1_outcome http1_skip_text(struct http1_parse *parse) {
    size_t at = parse->at, n = parse->n;

    for (;;) {
        while (at + 8 <= n && are_plain_text(parse->bytes + at))
            at += 8;
        size_t most = at + 8 < n ? at + 8 : n;
        while (at < most && http1_byte_is(parse->bytes[at], HTTP1_IS_TEXT))
            at++;
        if (at < most || at == n)
            break;
    }
    parse->at = at;
    if (at == n)
        return HTTP1_MORE;
    if (parse->bytes[at] == '\r' || parse->bytes[at] == '\n')
        return HTTP1_WHOLE;
    return http1_fail(parse, 400, "it has a control character");
}
