#include "conn/line.h"

#include <stdatomic.h>
#include <stdlib.h>

struct line *line_new(void) UNCHECKED {
    struct line *line = calloc(1, sizeof(*line));

    if (line == NULL)
        return NULL;
    atomic_init(&line->refs, 1);
    TAILQ_INIT(&line->jobs);
    return line;
}

struct line *line_ref(struct line *line) {
    atomic_fetch_add_explicit(&line->refs, 1, memory_order_relaxed);
    return line;
}

void line_unref(struct line *line) UNCHECKED {
    if (line == NULL || atomic_fetch_sub_explicit(&line->refs, 1, memory_order_acq_rel) > 1)
        return;
    CHECK(line->count == 0 && line->turns == 0);
    free(line);
}

/* Either the line is seen to be full here, or whoever finds it full sees this count
 * (queue_put_back). */
void line_leave(struct line *line, struct member *member) {
    member_leave(member);
    if (line == NULL)
        return;
    atomic_fetch_add(&line->left, 1);
    if (atomic_load(&line->full))
        line->on_left(line->queue, line);
    line_unref(line);
}
