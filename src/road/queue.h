/* The bounded work queue: connections that wait for a dial.
 *
 * Each upstream has a line (line.h); lines are served in turn. A worker with a job has a turn until
 * it comes for the next, and one of `workers` places.
 *
 * no_hostage: servers that do not answer hold up nobody whose servers do. A turn that has waited
 * for TURN_PATIENCE goes away: it leaves its place to a spare thread (spares.h). Its line is slow
 * until SLOW_STAYS dials were quick: its turns are away from the start. A line has at most
 * `workers` turns.
 *
 * full_line: a job whose servers all have max_connections goes back to the head of its line, which
 * is full then, and not served. Each place given back (line_leave) lets one job look again; so does
 * the usher, every FULL_AGAIN. */
#ifndef ROAD_QUEUE_H
#define ROAD_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/event.h"
#include "base/sync.h"
#include "conn/line.h"
#include "listen/gate.h"
#include "road/job.h"

#define TURN_PATIENCE (5 * USEC_PER_MSEC)
#define SPARES_MAX    256 /* or `workers`, if more */
#define FULL_AGAIN    (100 * USEC_PER_MSEC)

/* A worker's part in the queue; the queue's while the worker waits. Zeroed, but for `spare`. */
struct turn {
    SLIST_ENTRY(turn) entry; /* of the idle */
    struct event event;
    _Atomic usec_t woken; /* when, if it has not come yet; 0: not so */
    bool spare;
    usec_t idle_since;
    LIST_ENTRY(turn) busy_entry;
    struct glimpse job; /* while it is one of the busy */
    struct queue *queue;
    struct line *line; /* its job's, a reference, or NULL */
    bool away;
    /* What became of its job. The worker sets TURN_FOUND. */
    enum { TURN_OPEN, TURN_FOUND, TURN_PUT_BACK } outcome;
    unsigned left; /* line->left, at its start */
    enum { TURN_UNKNOWN, TURN_QUICK, TURN_SLOW } dial;
};

/* Starts a spare thread. 0 or -errno. Called by a worker, no lock held. */
typedef int queue_spare_fn(void *arg);

struct queue_bounds {
    size_t workers;
    size_t capacity;
    size_t lines; /* upstreams */
    usec_t timeout;
    usec_t full_timeout; /* of a full line's jobs, if less */
};

struct queue {
    struct lock lock;
    struct cond room; /* for acceptors and openers */
    queue_spare_fn *add_spare;
    void *arg;
    struct queue_bounds bounds GUARDED;
    size_t count GUARDED;                 /* jobs, in all lines */
    struct queued_list overdue GUARDED;   /* the same, by time */
    struct line_list quick, slow GUARDED; /* to be served, in turn */
    struct line_list held GUARDED;        /* full ones, and those with `workers` turns */
    size_t n_full GUARDED;                /* of these */
    bool slow_next GUARDED;               /* they take turns */
    usec_t served GUARDED;                /* when a job was last taken, or came as the only one */
    size_t active GUARDED;                /* turns with a place */
    size_t away GUARDED;                  /* turns without */
    size_t spares GUARDED;                /* at least `away` */
    usec_t spare_again GUARDED;           /* not before: a start failed */
    SLIST_HEAD(, turn)
    idle GUARDED; /* last used first */
    LIST_HEAD(, turn)
    busy GUARDED;               /* those with a job */
    size_t coming GUARDED;      /* woken, not yet come: in_turn */
    usec_t woken_last GUARDED;  /* when the last of them was */
    size_t blocked GUARDED;     /* in queue_wait_room */
    unsigned nudges GUARDED;    /* ends their wait by a change */
    size_t dismissed GUARDED;   /* workers yet to end */
    struct cond usher;          /* for queue_wait_overdue ... */
    usec_t usher_until GUARDED; /* ... which waits until then */
    bool usher_called GUARDED, usher_ends GUARDED;
    bool unbounded GUARDED, closed GUARDED, hurries GUARDED;
};

void queue_init(struct queue *queue, queue_spare_fn *add_spare, void *arg);
void queue_destroy(struct queue *queue); /* must be empty */

/* What is beyond new bounds stays. Before the first, nothing comes in or out. */
void queue_set(struct queue *queue, const struct queue_bounds *bounds);

/* Takes over the job if the queue is below its capacity, or the line below its share of that. 0;
 * or, with the job untouched, -EAGAIN (no room), -ENOMEM, or -ECANCELED (closed: queue_close). */
int queue_push(struct queue *queue, struct line *line, struct job *job) MUST_USE;

/* Waits for room, queue_nudge, or queue_unbind. */
enum room queue_wait_room(struct queue *queue, struct line *line) MUST_USE;
void queue_nudge(struct queue *queue);

/* Ends the turn, and waits for the next job. False: the worker is to end. */
bool queue_pop(struct queue *queue, struct turn *turn, struct job *ret_job) MUST_USE;

/* full_line: takes back the turn's job. False, with the job untouched: its time is up, or no
 * memory. */
bool queue_put_back(struct queue *queue, struct turn *turn, struct job *job) MUST_USE;

/* full_line: a place was given back (line_leave). Any thread. */
void queue_left(struct queue *queue, struct line *line);

/* The usher's. True: there are full lines. */
bool queue_retry_full(struct queue *queue);

/* full_line: bounds full_timeout until the next queue_set. */
void queue_bound_full(struct queue *queue, usec_t most);

/* Jobs that wait, in all lines. */
size_t queue_count(struct queue *queue);

/* The same, and those that workers have. */
size_t queue_count_jobs(struct queue *queue);

/* Glimpses of the first GLIMPSES_WAITING of those that wait (the road needs the lock), and of all
 * that workers have. How many these are; lists at most `most`, and returns how many. Any thread. */
size_t queue_count_glimpses(struct queue *queue);
size_t queue_glimpse(struct queue *queue, struct glimpse *ret_list, size_t most);

/* Jobs in the line. */
size_t queue_count_line(struct queue *queue, const struct line *line);

/* Jobs in the line, if it is full; else 0. */
size_t queue_count_full(struct queue *queue, struct line *line);

/* no_hostage: a dial calls turn_leave before it waits longer than turn_patience. */
usec_t turn_patience(const struct turn *turn);
void turn_leave(struct turn *turn);
/* A dial was answered or given up. */
void turn_note(struct turn *turn, usec_t took);

/* Ends n workers, idle ones first, but no spare ones. */
void queue_dismiss(struct queue *queue, size_t n);

/* Withdraws up to n dismissals not yet taken; returns how many. */
size_t queue_recall(struct queue *queue, size_t n);

/* Ends unneeded spare threads idle since before this. True: some are left. */
bool queue_trim(struct queue *queue, usec_t since);

/* The usher's: takes out a job whose time is up. */
enum overdue {
    OVERDUE_JOB,
    OVERDUE_FULL, /* one of a full line */
    OVERDUE_NONE, /* it is time, or there is one more spare thread or full line */
    OVERDUE_END,  /* queue_end_overdue */
};
enum overdue queue_wait_overdue(struct queue *queue, usec_t until, struct job *ret_job) MUST_USE;
void queue_end_overdue(struct queue *queue);

/* Since when jobs lie untaken; 0: none do. */
usec_t queue_stands_since(struct queue *queue);

/* At the stop: there is always room. */
void queue_unbind(struct queue *queue);

/* Nothing comes in any more; workers empty the queue and end. */
void queue_close(struct queue *queue);

/* After queue_close: whoever comes gets what waits, to refuse it. */
void queue_hurry(struct queue *queue);

#endif
