/* All openings, and the openers that hear them, so that silent clients keep no worker from
 * dialling.
 *
 * An opening waits in its listener's lane (lane.h). Half of the openers are shared out evenly to
 * the lanes, the others are anybody's: a flood at one listener leaves openers to the rest.
 *
 * make_room: an opening that has not sent all OPENING_PATIENCE after its handshake is ripe, as its
 * opener finds. For an opening that waits, an acceptor at a full gate, or a drain, the oldest ripe
 * one is put out: its socket is shut down for reading. */
#ifndef ROAD_OPENINGS_H
#define ROAD_OPENINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/sync.h"
#include "listen/gate.h"
#include "listen/lane.h"
#include "road/opening.h"

struct opener;

/* An opener's. Leaves nothing in the job. */
typedef void opening_fn(void *arg, struct opening *opening);

struct openings {
    opening_fn *serve;
    void *arg;
    struct lock lock;
    struct cond room;                                /* for acceptors */
    struct cond gone;                                /* an opener has ended */
    TAILQ_HEAD(, lane) lanes GUARDED;                /* not empty; served in turn */
    TAILQ_HEAD(opening_list, opening) ripe GUARDED;  /* oldest first */
    TAILQ_HEAD(opener_list, opener) openers GUARDED; /* that run */
    TAILQ_HEAD(idle_list, opener) idle GUARDED;      /* last used first */
    SLIST_HEAD(ended_list, opener) ended GUARDED;    /* to be joined */
    size_t max GUARDED;                              /* openers: */
    size_t own GUARDED;                              /* each lane's, */
    size_t shared GUARDED;                           /* and anybody's */
    size_t capacity GUARDED;                         /* of a lane */
    size_t n_openers GUARDED;
    size_t working GUARDED;  /* openings at an opener */
    size_t waiting GUARDED;  /* for one, in all lanes */
    size_t wants GUARDED;    /* those, and acceptors at gates */
    size_t at_gate GUARDED;  /* acceptors at the relay's */
    size_t leaving GUARDED;  /* put out, still at an opener */
    size_t blocked GUARDED;  /* in openings_wait_room */
    unsigned nudges GUARDED; /* ends their wait by a change */
    bool hurries GUARDED;    /* the relay drains */
    _Atomic bool stop;
};

void openings_init(struct openings *openings, opening_fn *serve, void *arg);
void openings_destroy(struct openings *openings); /* after openings_stop_until */

/* Makes an opener if none is there. Main, before any push. 0 or -errno. */
int openings_begin(struct openings *openings) MUST_USE;

/* max: openers. capacity: openings that wait in a lane. lanes: how many share the openers. */
void openings_set(struct openings *openings, size_t max, size_t capacity, size_t lanes);

/* Takes over the job, which has its seat. 0; or, with the job untouched, -ENOMEM, or -EAGAIN: its
 * lane is full, and it may not go beyond. Any thread. */
int openings_push(struct openings *openings, struct job *job, bool beyond) MUST_USE;

/* Waits for room, openings_nudge, or a drain. */
enum room openings_wait_room(struct openings *openings, struct lane *lane) MUST_USE;
void openings_nudge(struct openings *openings);

/* An acceptor begins, or ceases, to wait at the full gate of the lane's listener or (NULL) of the
 * relay. */
void openings_want(struct openings *openings, struct lane *lane);
void openings_content(struct openings *openings, struct lane *lane);

/* The relay drains: puts out all ripe ones, now and later. */
void openings_hurry(struct openings *openings);

size_t openings_count(struct openings *openings);

/* Glimpses of them; of those that wait, of GLIMPSES_WAITING at most: the road needs the lock. How
 * many these are; lists at most `most` and returns how many it has listed. Any thread. */
size_t openings_count_glimpses(struct openings *openings);
size_t openings_glimpse(struct openings *openings, struct glimpse *ret_list, size_t most);

/* False: an opener is beyond its opening's deadline by more than patience; *ret_what says so. */
bool openings_move(struct openings *openings, usec_t patience, char *ret_what, size_t size);

/* Ends all openings and openers, after the last push. False: some are left; the caller wakes them
 * where they wait elsewhere, and calls again. */
bool openings_stop_until(struct openings *openings, usec_t deadline) MUST_USE;

/* An opener's. Waits for bytes, and does not take them. How many; 0 at the end of data; -errno:
 * -ETIMEDOUT at the deadline, -EUSERS if put out, -ECANCELED at the stop. */
ssize_t openings_peek(struct opening *opening, void *buf, size_t size, usec_t deadline) MUST_USE;

/* The same, once `have` bytes were seen in buf, until `need` are there, which fit in it. Returns
 * need, or as above. After the last, openings_peek_end (0 or -errno). */
ssize_t openings_peek_more(struct opening *opening, void *buf, size_t have, size_t need,
                           usec_t deadline) MUST_USE;
int openings_peek_end(struct opening *opening) MUST_USE;

/* An opener's. The opening has sent all: nobody else touches its socket. False: it was put out. */
bool openings_keep(struct opening *opening) MUST_USE;

#endif
