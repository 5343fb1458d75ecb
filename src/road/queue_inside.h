/* What the parts of the queue share: queue.c (lines and bounds) and queue_turn.c (who takes what).
 * All under its lock. */
#ifndef ROAD_QUEUE_INSIDE_H
#define ROAD_QUEUE_INSIDE_H

#include "road/queue.h"

/* The event of a turn. */
enum { TURN_WAITING, TURN_WOKEN, TURN_SENT_AWAY };

/* A job that waits. */
struct queued {
    TAILQ_ENTRY(queued) in_line;
    TAILQ_ENTRY(queued) in_overdue;
    struct line *line; /* a reference */
    usec_t until;      /* when its time is up */
    struct job job;
};

/* Puts the line where it belongs, after what it has or may have changed: at the end of the list,
 * unless it is there. */
void queue_relist(struct queue *queue, struct line *line) REQUIRES(queue->lock);

/* When the time of a job is up. full_since: when it is first known that it has to wait for a full
 * line. */
usec_t queue_time_up(const struct queue *queue, const struct line *line, usec_t queued,
                     usec_t full_since) REQUIRES(queue->lock);

/* Puts a job in the order of `overdue`. As a rule its time is up last. */
void queue_insert_overdue(struct queue *queue, struct queued *queued) REQUIRES(queue->lock);

/* full_line: the turn is over. */
void queue_note_outcome(struct line *line, const struct turn *turn);

/* full_line: it is so no more. */
void queue_end_full(struct queue *queue, struct line *line) REQUIRES(queue->lock);

/* Takes a job out. The caller frees it, after line_unref. */
void queue_take_out(struct queue *queue, struct queued *queued) REQUIRES(queue->lock);

/* The line that is to be served next, or NULL. */
struct line *queue_choose(struct queue *queue, usec_t now) REQUIRES(queue->lock);

/* in_turn: if something can be served and nobody is coming, somebody to be told by queue_tell
 * without the lock; else NULL. If nobody can be told, the usher has to know. */
struct turn *queue_call_next(struct queue *queue, usec_t now) REQUIRES(queue->lock);
void queue_tell(struct turn *turn); /* NULL is fine */

/* The usher has something to look at, besides what is overdue. */
void queue_call_usher(struct queue *queue) REQUIRES(queue->lock);

/* Wakes all that are idle, to look again. */
void queue_call_all(struct queue *queue) REQUIRES(queue->lock);

#endif
