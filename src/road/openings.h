/* The openings: accepted connections that must be heard before there is a server to dial, and the
 * openers that hear them, apart from the workers, so that nobody who is silent can keep those from
 * dialling.
 *
 * Each listener has a lane (lane.h), in which its openings wait in the order of their accept, at
 * most so many as the work queue holds. Of the openers, half are shared out evenly, so many to each
 * lane; the other half is anybody's. So a flood of silent clients at one listener leaves openers to
 * all others.
 *
 * make_room: an opening that has not sent all that it has to send first OPENING_PATIENCE after its
 * handshake is ripe. The oldest ripe one is put out when somebody needs its opener or its place: an
 * opening that waits, an acceptor at a full gate, a drain. An opening finds out by itself that it
 * is ripe; who comes to need room later shuts its socket down for reading. */
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

/* Does all that there is to do with an opening, and leaves nothing in its job. An opener calls
 * it. */
typedef void opening_fn(void *arg, struct opening *opening);

struct openings {
    opening_fn *serve;
    void *arg;
    struct lock lock;
    struct cond room;                                /* for acceptors */
    struct cond gone;                                /* for the stop: an opener has ended */
    TAILQ_HEAD(, lane) lanes GUARDED;                /* those that are not empty, served in turn */
    TAILQ_HEAD(opening_list, opening) ripe GUARDED;  /* oldest first */
    TAILQ_HEAD(opener_list, opener) openers GUARDED; /* all that run */
    TAILQ_HEAD(idle_list, opener) idle GUARDED;      /* of these; last used first */
    SLIST_HEAD(ended_list, opener) ended GUARDED;    /* to be joined */
    size_t max GUARDED;                              /* openers */
    size_t own GUARDED;                              /* of them, each lane's */
    size_t shared GUARDED;                           /* and anybody's */
    size_t capacity GUARDED;                         /* of a lane */
    size_t n_openers GUARDED;
    size_t working GUARDED;  /* openings at an opener */
    size_t waiting GUARDED;  /* for one, in all lanes */
    size_t wants GUARDED;    /* those, and acceptors that wait at a gate: who is in need of room */
    size_t at_gate GUARDED;  /* acceptors that wait at the relay's */
    size_t leaving GUARDED;  /* openings that were put out, and still are at an opener */
    size_t blocked GUARDED;  /* acceptors in openings_wait_room */
    unsigned nudges GUARDED; /* they wait until this changes, too */
    bool hurries GUARDED;    /* the relay drains */
    _Atomic bool stop;
};

void openings_init(struct openings *openings, opening_fn *serve, void *arg);
void openings_destroy(struct openings *openings); /* after openings_stop_until */

/* Sees to it that there is an opener. The owner's (main's); before any push. 0 or -errno. */
int openings_begin(struct openings *openings) MUST_USE;

/* Puts bounds in force: openers, openings that may wait in each lane, and among how many lanes the
 * openers are shared. */
void openings_set(struct openings *openings, size_t max, size_t capacity, size_t lanes);

/* Takes the job, which has its place in a limit; what it holds is blanked. beyond: whether there is
 * room or not. 0; or -EAGAIN if its lane is full, or -ENOMEM, with the job untouched. Any
 * thread. */
int openings_push(struct openings *openings, struct job *job, bool beyond) MUST_USE;

/* Waits until somebody could push into this lane, or until the next openings_nudge, or until the
 * relay drains. */
enum room openings_wait_room(struct openings *openings, struct lane *lane) MUST_USE;
void openings_nudge(struct openings *openings);

/* Somebody comes to wait for a place at a full gate, while ripe openings make room; and has it, or
 * waits no more. lane: the listener's, whose gate it is; NULL: the relay's. */
void openings_want(struct openings *openings, struct lane *lane);
void openings_content(struct openings *openings, struct lane *lane);

/* The relay drains: whoever is ripe, or becomes it, is put out. */
void openings_hurry(struct openings *openings);

/* How many openings there are. */
size_t openings_count(struct openings *openings);

/* Whether openers do what they should. False: *ret_what, of that size, says what does not.
 * patience: beyond a deadline. */
bool openings_move(struct openings *openings, usec_t patience, char *ret_what, size_t size);

/* Ends all openings, which find the stop, and then the openers; nobody pushes any more. Waits until
 * this moment: false if they have not ended by then, and the caller has to wake those that wait
 * elsewhere. */
bool openings_stop_until(struct openings *openings, usec_t deadline) MUST_USE;

/* For an opener, with its opening. Waits until this moment for bytes of the client, and looks at
 * them without taking them: how many; 0 at the end of data; or -errno: -ETIMEDOUT at the deadline,
 * -EUSERS if it was put out, -ECANCELED at the stop. */
ssize_t openings_peek(struct opening *opening, void *buf, size_t size, usec_t deadline) MUST_USE;

/* The same. It has sent what it had to send first: from now on nobody touches its socket. False: it
 * had been put out. */
bool openings_keep(struct opening *opening) MUST_USE;

#endif
