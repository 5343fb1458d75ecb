/* The head of an HTTP/1 answer: bytes in, status and length out. Pure; any thread.
 *
 * The server may be broken or hostile: the head is bounded, may come in any split, and only numbers
 * and one line's beginning are kept. Interim answers (1xx but 101: RFC 9110, 15.2) are passed
 * over. */
#ifndef WIRE_HTTP_HEAD_H
#define WIRE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "wire/status_line.h"

/* Bytes, interim answers included. */
#define HTTP_HEAD_MAX   131072
#define HTTP_FIELD_KEPT 64 /* of a field line; Content-Length takes at most 40 */

/* Zeroed: nothing was taken yet. */
struct http_head {
    struct status_line line; /* its status counts once the head is whole */
    size_t length;           /* bytes taken so far */
    bool in_fields;
    char field[HTTP_FIELD_KEPT]; /* the beginning of the line under way */
    size_t field_length;         /* its bytes, without CRs */
    bool chunked;
    /* when whole: bytes that follow; HTTP_CONTENT_OPEN: until the end, or in chunks */
    int64_t content;
};

#define HTTP_CONTENT_OPEN (-1)

enum http_head_outcome {
    HTTP_HEAD_MORE,
    HTTP_HEAD_WHOLE,
    HTTP_HEAD_NOT_HTTP, /* found at the first byte that is wrong */
    HTTP_HEAD_LONG,     /* more than HTTP_HEAD_MAX bytes */
};

/* Takes the next n bytes, up to the end of the head; *ret_used: how many. No more calls after
 * another outcome than MORE. */
enum http_head_outcome http_head_take(struct http_head *head, const char *bytes, size_t n,
                                      size_t *ret_used) MUST_USE;

#endif
