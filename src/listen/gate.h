/* Counts connections from accept to the last close, and bounds them by max_connections. */
#ifndef LISTEN_GATE_H
#define LISTEN_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/sync.h"

/* How a wait for room ended. */
enum room { ROOM_THERE, ROOM_NUDGED, ROOM_CLOSED };

struct gate {
    struct lock lock;
    struct cond room;
    size_t max GUARDED;
    size_t live GUARDED;
    size_t waiting GUARDED;  /* threads in gate_wait_room */
    unsigned nudges GUARDED; /* waiting threads look for a change, too */
    unsigned left GUARDED;   /* counts those who left */
    usec_t spent GUARDED;    /* on vain waits, in gate_await_leaver, */
    usec_t spent_at GUARDED; /* as of this moment; forgotten bit by bit */
    bool closed GUARDED;
    _Atomic usec_t told;         /* when it was last logged that clients wait; 0: never */
    void (*on_empty)(void *arg); /* once closed and nobody is inside */
    void *arg;
};

/* on_empty (or NULL): without the lock, by the thread that lets the last out. */
void gate_init(struct gate *gate, size_t max, void (*on_empty)(void *arg), void *arg);
void gate_destroy(struct gate *gate);

/* Waits for room, or, as if nudged, for the next gate_nudge or until then; or for the end. */
enum room gate_wait_room(struct gate *gate, usec_t until) MUST_USE;

/* Wakes all who wait, for something else. */
void gate_nudge(struct gate *gate);

/* Who is inside stays. */
void gate_set_max(struct gate *gate, size_t max);

/* Enters, if there is room and the gate is open. */
bool gate_try_enter(struct gate *gate) MUST_USE;

/* Enters, full or not: a connection of the previous process. The gate is open. */
void gate_force_enter(struct gate *gate);

void gate_leave(struct gate *gate);

/* One connection's wait for another to leave. Zeroed at first. */
struct leaver_wait {
    unsigned seen;
    usec_t patience; /* in all */
    usec_t until;
};

/* Waits until one more has left than at the last call, for a moment at most: one may have ended
 * and not left yet. The first call does not wait. False: in vain. The more vain waits of late, the
 * shorter. */
bool gate_await_leaver(struct gate *gate, struct leaver_wait *wait) MUST_USE;

/* Wakes who waits. Returns how many are inside; if 0, on_empty is not called. */
size_t gate_close(struct gate *gate);

size_t gate_live(struct gate *gate);
size_t gate_max(struct gate *gate);

/* Whether the gate is open, and full. */
bool gate_is_full(struct gate *gate);

#endif
