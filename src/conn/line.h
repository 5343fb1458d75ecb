/* One upstream's connections that wait for a worker, first come, first served. A reload carries a
 * line on by the upstream's name, with its counts.
 *
 * Contents are the queue's (queue.h), under its lock; lines are owned by references. */
#ifndef CONN_LINE_H
#define CONN_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/sync.h"
#include "upstream/member.h"

struct queue;
struct queued;
struct line_list;

TAILQ_HEAD(queued_list, queued);

struct line {
    _Atomic unsigned refs;
    struct queued_list jobs GUARDED;
    size_t count GUARDED;             /* of them */
    size_t turns GUARDED;             /* jobs that workers have */
    unsigned slow GUARDED;            /* no_hostage: quick dials until it counts as quick */
    struct line_list *listed GUARDED; /* the queue's list; NULL: nothing waits */
    TAILQ_ENTRY(line) entry;
    /* full_line in queue.h. Set once, before it is first full: */
    struct queue *queue;
    void (*on_left)(struct queue *queue, struct line *line); /* queue_left */
    _Atomic bool full;     /* no server had room; changed under the lock */
    _Atomic unsigned left; /* counts the places at servers given back */
    size_t tries GUARDED;  /* while full: how many jobs may look again */
    bool probes GUARDED;   /* if one of these finds a server, the next may look */
};

TAILQ_HEAD(line_list, line);

/* With one reference. NULL: no memory. */
struct line *line_new(void);
struct line *line_ref(struct line *line);
void line_unref(struct line *line); /* NULL is fine; the last one finds it empty */

/* Gives back a connection's place at a server and tells whoever waits for that. Drops both
 * references; NULL is fine. No leaf lock held. Any thread. */
void line_leave(struct line *line, struct member *member);

#endif
