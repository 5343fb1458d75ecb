/* How long connections took, in all since the start. */
#ifndef RECORD_SPANS_H
#define RECORD_SPANS_H

#include "base/histogram.h"

enum span {
    SPAN_QUEUE,      /* waiting for a worker */
    SPAN_DIAL,       /* finding a server, whether one was found or not */
    SPAN_FIRST_BYTE, /* from then to the first byte that the server sent */
    SPAN_DURATION,   /* from accept to close, of those that were relayed */
    SPAN_COUNT
};

/* Counts one; from 0, or to an earlier moment: none. Any thread, any lock. */
void spans_note(enum span span, usec_t from, usec_t to);

const struct histogram *spans_get(enum span span);

#endif
