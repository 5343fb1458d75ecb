/* A line: the connections of one upstream that wait to be dialled for, first come, first served. A reload carries it on
 * by the upstream's name, so that what it counts goes on being counted.
 *
 * What it holds belongs to the queue (queue.h), under the queue's lock; a line itself is owned by references. */
#ifndef RELAY_LINE_H
#define RELAY_LINE_H

#include <stddef.h>
#include <sys/queue.h>

#include "base/sync.h"

struct queued;
struct line_list;

TAILQ_HEAD(queued_list, queued);

struct line {
    _Atomic unsigned refs;
    struct queued_list jobs GUARDED;
    size_t count GUARDED;  /* of them */
    size_t turns GUARDED;  /* jobs that workers have */
    unsigned slow GUARDED; /* see no_hostage: so many quick dials until it counts as quick */
    struct line_list *listed GUARDED; /* the queue's list that it is in; NULL: nothing waits */
    TAILQ_ENTRY(line) link;
};

TAILQ_HEAD(line_list, line);

/* With one reference. NULL: no memory. */
struct line *line_new(void);
struct line *line_ref(struct line *line);
void line_unref(struct line *line); /* NULL is fine; the last one: it is empty */

#endif
