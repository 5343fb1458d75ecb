/* What queue.c (lines and bounds), queue_turn.c (who takes what) and queue_full.c (full lines)
 * share. */
#ifndef ROAD_QUEUE_INSIDE_H
#define ROAD_QUEUE_INSIDE_H

#include "road/queue.h"

/* The event of a turn. */
enum { TURN_WAITING, TURN_WOKEN, TURN_SENT_AWAY };

struct queued {
    TAILQ_ENTRY(queued) in_line;
    TAILQ_ENTRY(queued) in_overdue;
    struct line *line; /* a reference */
    usec_t until;      /* when its time is up */
    struct job job;
};

/* Puts a changed line at the end of its list, unless it is there. */
void queue_relist(struct queue *queue, struct line *line) REQUIRES(queue->lock);

/* full_since: see struct job. */
usec_t queue_time_up(const struct queue *queue, const struct line *line, usec_t queued,
                     usec_t full_since) REQUIRES(queue->lock);

/* As a rule, last. */
void queue_insert_overdue(struct queue *queue, struct queued *queued) REQUIRES(queue->lock);

/* full_line: the turn is over. Under the lock. */
void queue_note_outcome(struct line *line, const struct turn *turn);

void queue_end_full(struct queue *queue, struct line *line) REQUIRES(queue->lock);

/* The caller gives its line back and frees it. */
void queue_take_out(struct queue *queue, struct queued *queued) REQUIRES(queue->lock);

/* The next line to serve, or NULL. */
struct line *queue_choose(struct queue *queue, usec_t now) REQUIRES(queue->lock);

/* in_turn: who takes the next job, for queue_tell without the lock; or NULL. If nobody can, the
 * usher is told. */
struct turn *queue_call_next(struct queue *queue, usec_t now) REQUIRES(queue->lock);
void queue_tell(struct turn *turn); /* NULL is fine */

/* For other things than overdue jobs. */
void queue_call_usher(struct queue *queue) REQUIRES(queue->lock);

void queue_call_all(struct queue *queue) REQUIRES(queue->lock);

#endif
