/* The first line of an HTTP/1 answer: bytes in, status out. Pure; any thread.
 *
 * The server may be broken or hostile: the line is bounded, may come in any split, and only its
 * length and number are kept. */
#ifndef WIRE_STATUS_LINE_H
#define WIRE_STATUS_LINE_H

#include <stddef.h>

#include "base/check.h"

#define STATUS_LINE_MAX 4096 /* bytes, line end included; real ones have under 100 */

struct status_line {
    size_t length; /* bytes taken so far; 0 in a zeroed struct */
    int status;    /* 0 to 999, once the line is whole */
};

enum status_line_outcome { STATUS_LINE_MORE, STATUS_LINE_WHOLE, STATUS_LINE_BAD };

/* Takes the next n bytes, up to the end of the line; ignores the rest. BAD: no status line of
 * HTTP/1.0 or 1.1 (RFC 9112, 4), or more than STATUS_LINE_MAX bytes; found at the first wrong byte.
 * No more calls after WHOLE or BAD. */
enum status_line_outcome status_line_take(struct status_line *line, const char *bytes,
                                          size_t n) MUST_USE;

#endif
