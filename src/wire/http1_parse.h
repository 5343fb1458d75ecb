/* What the files of http1 share: a head that is being parsed, byte by byte from its beginning.
 *
 * by_prefix: what is found depends only on the bytes up to the place where it is found. So a fault
 * is reported as soon as it is certain, and no split of the bytes changes an outcome. */
#ifndef WIRE_HTTP1_PARSE_H
#define WIRE_HTTP1_PARSE_H

#include <assert.h>

#include "wire/http1.h"

struct http1_parse {
    const char *bytes;
    size_t n;  /* that have come; at most HTTP1_HEAD_MAX */
    size_t at; /* the next one to look at */
    struct http1_head *head;
    struct http1_fault *fault;
    bool is_answer;
    uint8_t count[HTTP1_NAME_COUNT]; /* fields of each known name */
    uint8_t members;                 /* of Connection */
    bool names_fields;               /* some of these may be names of fields */
    bool says_close, says_keep_alive, says_upgrade;
};

/* Each step: WHOLE: it is done, and `at` is behind it. */

/* Ret: HTTP1_BAD. Of an answer the status becomes 502. why is static. */
enum http1_outcome http1_fail(struct http1_parse *parse, uint16_t status, const char *why);
/* Zeroes ret_head but for its fields. */
void http1_begin(struct http1_parse *parse, const char *bytes, size_t n, struct http1_head *head,
                 struct http1_fault *fault);
/* The outcome of the whole head, whose last step had this one. */
enum http1_outcome http1_end(struct http1_parse *parse, enum http1_outcome outcome);
/* "HTTP/1.0" or "HTTP/1.1". */
enum http1_outcome http1_take_version(struct http1_parse *parse);
/* CR LF. */
enum http1_outcome http1_take_line_end(struct http1_parse *parse);
/* Passes over what may stand in a value: VCHAR, obs-text, blanks. MORE: to the end of the bytes. */
enum http1_outcome http1_skip_text(struct http1_parse *parse);
/* All field lines and the empty line. */
enum http1_outcome http1_take_fields(struct http1_parse *parse);
/* A value that counts for more than this line; in http1_known.c. */
enum http1_outcome http1_take_known(struct http1_parse *parse, const struct http1_field *field);
/* What the fields of a request or an answer say of its connection. Framing is known. */
void http1_conclude(struct http1_parse *parse);
/* OTHER, and *ret_is_like: it is one with `_` for `-`. */
enum http1_name http1_name_of(const char *name, size_t n, bool *ret_is_like);
/* host [":" port] (RFC 3986, 3.2.2), narrowed to what names and addresses are. */
bool http1_read_authority(const char *bytes, struct http1_span authority,
                          struct http1_span *ret_host) MUST_USE;

/* Sets of names */

#define HTTP1_SET(name) (1u << HTTP1_##name)
static_assert(HTTP1_NAME_COUNT <= 32, "a set of names has 32 bits");

static inline bool http1_is_in(uint32_t set, enum http1_name name) {
    return (set >> name & 1) != 0;
}

/* Classes of bytes */

enum {
    HTTP1_IS_TOKEN = 1,  /* RFC 9110, 5.6.2 */
    HTTP1_IS_TARGET = 2, /* visible ASCII but "#" */
    HTTP1_IS_TEXT = 4,   /* VCHAR, obs-text, SP, HTAB (RFC 9110, 5.5) */
    HTTP1_IS_HOST = 8,   /* unreserved (RFC 3986, 2.3) */
    HTTP1_IS_DIGIT = 16,
};
extern const uint8_t http1_classes[256];

static inline bool http1_byte_is(char byte, uint8_t class) {
    return (http1_classes[(uint8_t)byte] & class) != 0;
}

static inline char http1_lower(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

static inline bool http1_is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

static inline struct http1_span http1_span_of(size_t from, size_t to) {
    return (struct http1_span){(uint16_t)from, (uint16_t)(to - from)};
}

/* Cuts blanks off both sides. */
static inline struct http1_span http1_trim(const char *bytes, size_t from, size_t to) {
    while (from < to && http1_is_blank(bytes[from]))
        from++;
    while (to > from && http1_is_blank(bytes[to - 1]))
        to--;
    return http1_span_of(from, to);
}

/* Members of a comma list, empty ones included. *at: where to go on; first the list's beginning.
 * False: there are no more. */
static inline bool http1_next_member(const char *bytes, struct http1_span list, size_t *at,
                                     struct http1_span *ret_member) {
    size_t end = (size_t)list.at + list.n, to = *at;

    if (*at > end)
        return false;
    while (to < end && bytes[to] != ',')
        to++;
    *ret_member = http1_trim(bytes, *at, to);
    *at = to + 1;
    return true;
}

#endif
