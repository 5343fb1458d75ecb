/* How many connections there are, and max_connections as the bound: from accept to the last close.
 */
#ifndef LISTEN_GATE_H
#define LISTEN_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/sync.h"

/* How a wait for room came to its end. */
enum room { ROOM_THERE, ROOM_NUDGED, ROOM_CLOSED };

struct gate {
    struct lock lock;
    struct cond room;
    size_t max GUARDED;
    size_t live GUARDED;
    size_t waiting GUARDED;  /* threads in gate_wait_room */
    unsigned nudges GUARDED; /* they wait until this changes, too */
    unsigned left GUARDED;   /* counts those who left */
    usec_t spent GUARDED;    /* on waits in vain, in gate_await_leaver, */
    usec_t spent_at GUARDED; /* as of this moment: a part of it is forgotten as time goes by */
    bool closed GUARDED;
    void (*on_empty)(void *arg); /* called once the gate is closed and nobody is inside */
    void *arg;
};

/* on_empty (or NULL) is called by whichever thread lets the last one out, without the lock. */
void gate_init(struct gate *gate, size_t max, void (*on_empty)(void *arg), void *arg);
void gate_destroy(struct gate *gate);

/* Waits until somebody could enter, or until the next gate_nudge, or until the gate is closed. */
enum room gate_wait_room(struct gate *gate) MUST_USE;

/* Sends away whoever waits now: there is something else to look at. */
void gate_nudge(struct gate *gate);

/* From now on so many may be inside. Nobody who is inside is sent away. */
void gate_set_max(struct gate *gate, size_t max);

/* Lets one in, if there is room and the gate is open. */
bool gate_try_enter(struct gate *gate) MUST_USE;

/* Lets one in, full or not: a connection of the previous process, which was inside. The gate is
 * open. */
void gate_force_enter(struct gate *gate);

void gate_leave(struct gate *gate);

/* One connection's wait for somebody who is about to leave. Zeroed before it begins. */
struct leaver_wait {
    unsigned seen;
    usec_t patience; /* all that it may take */
    usec_t until;
};

/* Waits until one more has left than at the last call, for at most a moment in all: somebody who is
 * inside may have ended, and not been let out yet. The first call does not wait. False: it was in
 * vain. The more waits were of late, the shorter they get, so that nobody can hold up the caller
 * for long. */
bool gate_await_leaver(struct gate *gate, struct leaver_wait *wait) MUST_USE;

/* Lets nobody in any more and wakes who waits. Returns how many are inside; with 0 on_empty is not
 * called. */
size_t gate_close(struct gate *gate);

size_t gate_live(struct gate *gate);

/* Whether nobody could enter, and the gate is open. */
bool gate_is_full(struct gate *gate);

#endif
