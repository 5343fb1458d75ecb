/* A line: the connections of one upstream that wait to be dialled for, first come, first served. A
 * reload carries it on by the upstream's name, so that what it counts goes on being counted.
 *
 * What it holds belongs to the queue (queue.h), under the queue's lock; a line itself is owned by
 * references. */
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
    unsigned slow GUARDED;            /* no_hostage: so many quick dials until it counts as quick */
    struct line_list *listed GUARDED; /* the queue's list that it is in; NULL: nothing waits */
    TAILQ_ENTRY(line) entry;
    /* full_line in queue.h. These two are set once, before it is full for the first time: */
    struct queue *queue;
    void (*on_left)(struct queue *queue, struct line *line); /* queue_left */
    _Atomic bool full;     /* no server had room; changed under the lock */
    _Atomic unsigned left; /* counts the places at servers that were given back */
    size_t tries GUARDED;  /* while it is full: so many of its jobs may look whether it still is */
    bool probes GUARDED;   /* if one of these finds a server, the next may look, too */
};

TAILQ_HEAD(line_list, line);

/* With one reference. NULL: no memory. */
struct line *line_new(void);
struct line *line_ref(struct line *line);
void line_unref(struct line *line); /* NULL is fine; the last one: it is empty */

/* A connection of the line gives back its place at a server: counts it out of the member, and tells
 * who waits for that. Gives both references back; NULL is fine. No leaf lock held. Any thread. */
void line_leave(struct line *line, struct member *member);

#endif
