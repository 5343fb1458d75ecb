/* The bounded work queue between acceptors and workers: connections that wait for a dial.
 *
 * Each upstream has a line (line.h); lines are served in turn. A worker that takes a job has a turn
 * until it comes for the next, and one of `workers` places.
 *
 * no_hostage: servers that do not answer hold up nobody whose servers do. A turn that has waited
 * for TURN_PATIENCE goes away: it leaves its place to a spare thread (spares.h), and goes on. Its
 * line is slow until SLOW_STAYS dials were quick: its turns are away from the start. A line has at
 * most `workers` turns, and at most SPARES_MAX or `workers` are away in all, whichever is more;
 * beyond that, slow lines wait.
 *
 * full_line: a job whose servers all have max_connections goes back to the head of its line, which
 * is full then, and not served. Each place at a server that is given back (line_leave) lets one job
 * look again, and so does the usher every FULL_AGAIN: a reload may bring room, or a server that
 * comes up. */
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
#define SPARES_MAX    256
#define FULL_AGAIN    (100 * USEC_PER_MSEC)

/* A worker's part in the queue, which is the queue's while the worker waits. Zeroed at first, but
 * for `spare`. */
struct turn {
    SLIST_ENTRY(turn) entry; /* of the idle */
    struct event event;
    _Atomic usec_t woken; /* when, for a job that it has not come for; 0: not so */
    bool spare;           /* a spare thread's */
    usec_t idle_since;
    struct queue *queue;
    struct line *line; /* of its job, a reference; NULL: it has none */
    bool away;
    /* What became of its job. The worker sets TURN_FOUND: it has a server. */
    enum { TURN_OPEN, TURN_FOUND, TURN_PUT_BACK } outcome;
    unsigned left;                                     /* line->left, when it took the job */
    enum { TURN_UNKNOWN, TURN_QUICK, TURN_SLOW } dial; /* how long its dials took */
};

/* Starts a spare thread, a worker that calls queue_pop. 0 or -errno. Called by a worker, no lock
 * held. */
typedef int queue_spare_fn(void *arg);

struct queue_bounds {
    size_t workers;
    size_t capacity;
    size_t lines; /* upstreams that share it */
    usec_t timeout;
    usec_t full_timeout; /* of jobs of a full line, if less */
};

struct queue {
    struct lock lock;
    struct cond room; /* for acceptors and openers */
    queue_spare_fn *add_spare;
    void *arg;
    struct queue_bounds bounds GUARDED;
    size_t count GUARDED;                 /* jobs, in all lines */
    struct queued_list overdue GUARDED;   /* the same, in the order of their times */
    struct line_list quick, slow GUARDED; /* lines to be served, in turn */
    struct line_list held GUARDED;        /* full ones, and those with `workers` turns */
    size_t n_full GUARDED;                /* of these */
    bool slow_next GUARDED;               /* quick and slow lines take turns */
    usec_t served GUARDED;      /* when a job was last taken, or came as the only one to serve */
    size_t active GUARDED;      /* turns that hold a place */
    size_t away GUARDED;        /* turns that do not */
    size_t spares GUARDED;      /* spare threads, at least `away` */
    usec_t spare_again GUARDED; /* not before: one could not be started */
    SLIST_HEAD(, turn)
    idle GUARDED;               /* last used first: its cache is warm */
    size_t coming GUARDED;      /* workers that were woken, and have not come: in_turn */
    usec_t woken_last GUARDED;  /* when the last of them was */
    size_t blocked GUARDED;     /* who waits in queue_wait_room */
    unsigned nudges GUARDED;    /* ends their wait by a change */
    size_t dismissed GUARDED;   /* workers that are yet to end */
    struct cond usher;          /* for queue_wait_overdue ... */
    usec_t usher_until GUARDED; /* ... which waits until then */
    bool usher_called GUARDED, usher_ends GUARDED;
    bool unbounded GUARDED, closed GUARDED, hurries GUARDED;
};

void queue_init(struct queue *queue, queue_spare_fn *add_spare, void *arg);
void queue_destroy(struct queue *queue); /* must be empty */

/* Puts bounds in force; what is beyond them stays. Before the first, nothing comes in or out. */
void queue_set(struct queue *queue, const struct queue_bounds *bounds);

/* Takes over the job. There is room while the queue is below its capacity, or the line below its
 * share of that. 0; or, with the job untouched, -EAGAIN (no room) or -ENOMEM. */
int queue_push(struct queue *queue, struct line *line, struct job *job) MUST_USE;

/* Waits for room in the line, the next queue_nudge, or the stop (queue_unbind). */
enum room queue_wait_room(struct queue *queue, struct line *line) MUST_USE;
void queue_nudge(struct queue *queue);

/* Ends the worker's turn, and waits for the next job. False: the worker is to end. */
bool queue_pop(struct queue *queue, struct turn *turn, struct job *ret_job) MUST_USE;

/* full_line: takes back the turn's job. False, with the job untouched: its time is up, or there is
 * no memory. */
bool queue_put_back(struct queue *queue, struct turn *turn, struct job *job) MUST_USE;

/* full_line: a place at a server of the line was given back (line_leave). Any thread. */
void queue_left(struct queue *queue, struct line *line);

/* The usher's: lets all full lines look again. True: there are any. */
bool queue_retry_full(struct queue *queue);

/* full_line: bounds full_timeout by `most`, from now, until the next queue_set. */
void queue_bound_full(struct queue *queue, usec_t most);

/* How many jobs wait in it if it is full, or 0. */
size_t queue_count_full(struct queue *queue, struct line *line);

/* no_hostage. A dial may wait for turn_patience, and calls turn_leave before it waits on. */
usec_t turn_patience(const struct turn *turn);
void turn_leave(struct turn *turn);
/* How long a dial took that was answered, in whatever way, or given up. */
void turn_note(struct turn *turn, usec_t took);

/* Ends n workers, idle ones first, but no spare ones. */
void queue_dismiss(struct queue *queue, size_t n);

/* Withdraws up to n dismissals that no worker has taken yet; returns how many. */
size_t queue_recall(struct queue *queue, size_t n);

/* Ends unneeded spare threads that have been idle since before this. True: some are left. */
bool queue_trim(struct queue *queue, usec_t since);

/* The usher's: waits for a job whose time is up, and takes it out. */
enum overdue {
    OVERDUE_JOB,
    OVERDUE_FULL, /* one of a full line */
    OVERDUE_NONE, /* it is time, or there is one more spare thread or full line */
    OVERDUE_END,  /* queue_end_overdue */
};
enum overdue queue_wait_overdue(struct queue *queue, usec_t until, struct job *ret_job) MUST_USE;
void queue_end_overdue(struct queue *queue);

/* Since when jobs that could be taken were not; 0: not so. */
usec_t queue_stands_since(struct queue *queue);

/* At the stop: there is always room. */
void queue_unbind(struct queue *queue);

/* No push will come; workers empty the queue and end. */
void queue_close(struct queue *queue);

/* After queue_close: all that waits is given to whoever comes, to be refused. */
void queue_hurry(struct queue *queue);

#endif
