/* A line of an answer, of which the beginning is kept. Pure; any thread. */
#ifndef WIRE_ANSWER_LINE_H
#define WIRE_ANSWER_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

#define ANSWER_LINE_KEPT 63
#define ANSWER_LINES_MAX 16384 /* bytes of all lines */

/* Zeroed: nothing has come. */
struct answer_line {
    char text[ANSWER_LINE_KEPT + 1]; /* without its end, cut, NUL included */
    size_t n;                        /* its bytes so far, without CRs */
    size_t all;                      /* bytes of this and the former lines */
    bool whole;
};

/* Takes bytes until the line is whole or ANSWER_LINES_MAX have come; returns how many. After a
 * whole line the next begins. */
size_t answer_line_take(struct answer_line *line, const char *bytes, size_t n) MUST_USE;

static inline bool answer_line_too_long(const struct answer_line *line) {
    return !line->whole && line->all >= ANSWER_LINES_MAX;
}

#endif
