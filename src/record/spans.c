#include "record/spans.h"

static struct histogram spans[SPAN_COUNT] = {[SPAN_DURATION] = {.scale = HISTOGRAM_LONG}};

void spans_note(enum span span, usec_t from, usec_t to) {
    if (from > 0 && to >= from)
        histogram_add(&spans[span], to - from);
}

const struct histogram *spans_get(enum span span) {
    return &spans[span];
}
