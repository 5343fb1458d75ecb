/* The bounded work queue between acceptors and workers: accepted connections that wait to be
 * dialled for.
 *
 * Those of each upstream stand in a line of their own (line.h), and lines are served in turn. A
 * worker that takes a job has a turn, and holds one of so many places as `workers` says, until it
 * comes for the next job.
 *
 * no_hostage: whose server answers does not wait for those whose servers do not. A turn that has
 * waited for TURN_PATIENCE goes away: it gives up its place, for which there is a spare thread
 * (spares.h), and goes on without one. Its line is slow from then on, until a number of dials were
 * quick: its turns are away from the start. A line has at most `workers` turns at a time, and no
 * more than SPARES_MAX are away in all, or `workers`, if that is more; beyond that, those of slow
 * lines wait.
 *
 * full_line: a job for which no server of its upstream has room (max_connections) goes back to the
 * head of its line, and that is full then: nothing of it is served, and no worker kept. Whoever
 * gives back a place at a server (line_leave) lets one job look again, and so does the usher each
 * FULL_AGAIN: room may come by a reload, or a server that comes up. */
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

/* A worker's part in the queue, zeroed before its first use but for `spare`. The worker's alone
 * while it works, the queue's while it waits. */
struct turn {
    SLIST_ENTRY(turn) link; /* of the idle */
    struct event event;
    _Atomic usec_t woken; /* when it was woken for a job and has not come yet; 0: it was not */
    bool spare;           /* its thread is one for a turn that is away */
    usec_t idle_since;
    struct queue *queue;
    struct line *line; /* whose job it has, a reference; NULL: it has none */
    bool away;
    /* What became of its job: TURN_FOUND, it has its place at a server, is the worker's to say. */
    enum { TURN_OPEN, TURN_FOUND, TURN_PUT_BACK } outcome;
    unsigned left;                                     /* line->left, when it took the job */
    enum { TURN_UNKNOWN, TURN_QUICK, TURN_SLOW } dial; /* what is known of its line by it */
};

/* Starts a spare thread, which calls queue_pop as all others do: 0 or -errno. Called by a worker,
 * without a lock. */
typedef int queue_spare_fn(void *arg);

/* The bounds that a configuration has. */
struct queue_bounds {
    size_t workers;
    size_t capacity;
    size_t lines; /* so many upstreams share it */
    usec_t timeout;
    usec_t full_timeout; /* the same for those of a full line, if it is less */
};

struct queue {
    struct lock lock;
    struct cond room; /* for acceptors */
    queue_spare_fn *add_spare;
    void *arg;
    struct queue_bounds bounds GUARDED;
    size_t count GUARDED;                 /* jobs, in all lines */
    struct queued_list overdue GUARDED;   /* the same jobs: whose time will be up first is first */
    struct line_list quick, slow GUARDED; /* lines to be served, in turn */
    struct line_list held GUARDED; /* lines that have as many turns as they may, and full ones */
    size_t n_full GUARDED;         /* of these */
    bool slow_next GUARDED;        /* quick and slow ones take turns, too */
    usec_t served
        GUARDED; /* when a job was last taken, or one came to be the only one to be served */
    size_t active GUARDED; /* turns that hold a place */
    size_t away GUARDED;
    size_t spares GUARDED;      /* spare threads; never fewer than turns that are away */
    usec_t spare_again GUARDED; /* one could not be started: not before this */
    SLIST_HEAD(, turn)
    idle GUARDED;               /* workers that wait, the last one first: its cache is warm */
    size_t coming GUARDED;      /* workers that were woken and have not come yet, see in_turn */
    usec_t woken_last GUARDED;  /* when the last of them was */
    size_t blocked GUARDED;     /* acceptors that wait */
    unsigned nudges GUARDED;    /* those in queue_wait_room wait until this changes, too */
    size_t dismissed GUARDED;   /* workers that are still to be told to end */
    struct cond usher;          /* for who is in queue_wait_overdue ... */
    usec_t usher_until GUARDED; /* ... until then */
    bool usher_called GUARDED, usher_ends GUARDED;
    bool unbounded GUARDED, closed GUARDED, hurries GUARDED;
};

void queue_init(struct queue *queue, queue_spare_fn *add_spare, void *arg);
void queue_destroy(struct queue *queue); /* must be empty */

/* Puts bounds in force. What is in it stays, even beyond them. Without any, it takes no job, and
 * gives none. */
void queue_set(struct queue *queue, const struct queue_bounds *bounds);

/* Puts the job into this line. What it holds is taken and blanked; or, with -EAGAIN: there is no
 * room, or -ENOMEM, it is untouched. There is room as long as there are fewer jobs than the
 * capacity, or the line has not its share of that. */
int queue_push(struct queue *queue, struct line *line, struct job *job) MUST_USE;

/* Waits until somebody could push there, or until the next queue_nudge, or until the relay stops
 * (queue_unbind). */
enum room queue_wait_room(struct queue *queue, struct line *line) MUST_USE;
void queue_nudge(struct queue *queue);

/* Ends the turn before, and waits for the next job. False: closed, and nothing is left; or the
 * caller was sent away. */
bool queue_pop(struct queue *queue, struct turn *turn, struct job *ret_job) MUST_USE;

/* full_line: puts back what the turn has taken; what it holds is taken and blanked. False: it has
 * waited too long, or there is no memory, and the job is untouched. */
bool queue_put_back(struct queue *queue, struct turn *turn, struct job *job) MUST_USE;

/* full_line: a place at a server of the line was given back. Any thread; see line_leave. */
void queue_left(struct queue *queue, struct line *line);

/* The usher's: lets all full lines look again. Whether there are any. */
bool queue_retry_full(struct queue *queue);

/* full_line: from now on nobody waits for longer than that, from now, until queue_set says
 * otherwise. */
void queue_bound_full(struct queue *queue, usec_t most);

/* How many jobs of a line wait because it is full. */
size_t queue_count_full(struct queue *queue, struct line *line);

/* no_hostage: the turn may last. How long a wait began that the turn is about to make may be,
 * before turn_leave. */
void turn_leave(struct turn *turn);
usec_t turn_patience(const struct turn *turn);
/* What a dial took that was answered, in whatever way, or given up. */
void turn_note(struct turn *turn, usec_t took);

/* Ends n workers, idle ones first, but no spare ones. */
void queue_dismiss(struct queue *queue, size_t n);

/* Withdraws up to n dismissals that no worker has taken yet; returns how many. */
size_t queue_recall(struct queue *queue, size_t n);

/* Sends spare threads away that have been idle since before this moment and are not needed. Whether
 * any are left. */
bool queue_trim(struct queue *queue, usec_t since);

/* The usher's: waits for a job whose time is up, and gives it away. */
enum overdue {
    OVERDUE_JOB,
    OVERDUE_FULL, /* the same, one of a full line */
    /* the moment has come, or there is a spare thread or a full line more than before */
    OVERDUE_NONE,
    OVERDUE_END, /* queue_end_overdue */
};
enum overdue queue_wait_overdue(struct queue *queue, usec_t until, struct job *ret_job) MUST_USE;
void queue_end_overdue(struct queue *queue);

/* Since when nobody has taken a job although some wait that could be taken; 0: it is not so. */
usec_t queue_stands_since(struct queue *queue);

/* At the stop: pushes have no bound. */
void queue_unbind(struct queue *queue);

/* No push will come: poppers empty the queue and then get false. */
void queue_close(struct queue *queue);

/* After that: all that waits will be refused, and is given to whoever comes. */
void queue_hurry(struct queue *queue);

#endif
