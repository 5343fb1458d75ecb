/* What GET /connections answers, row by row: there may be thousands, and a tree of JSON for each
 * would take most of the time. */
#ifndef RELAYCTL_ROWS_H
#define RELAYCTL_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/check.h"

enum row_text {
    ROW_CLIENT,
    ROW_LISTENER,
    ROW_UPSTREAM,
    ROW_SERVER,
    ROW_PHASE,
    ROW_TLS_CLIENT,
    ROW_TEXTS
};
enum row_number { ROW_ID, ROW_AGE, ROW_IDLE, ROW_UP, ROW_DOWN, ROW_NUMBERS };

/* A connection. */
struct connection_row {
    const char *text[ROW_TEXTS];   /* "-": not said. Only during the call that gets it */
    long long number[ROW_NUMBERS]; /* times in microseconds; 0: not said, but: */
    bool has_id;
    const char *json; /* all of it, without a NUL; whole once that call has returned */
    size_t json_n;
};

/* Calls each for every row of "[row,row...]", in this order; the answer is afterwards as it was.
 * False: it is no such list. */
bool rows_read(struct buffer *answer, void (*each)(void *arg, const struct connection_row *row),
               void *arg) MUST_USE;

#endif
