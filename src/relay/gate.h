/* How many connections there are, and max_connections as the bound: from accept to the last close.
 */
#ifndef RELAY_GATE_H
#define RELAY_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/sync.h"

struct gate {
    struct lock lock;
    struct cond room;
    size_t max;
    size_t live GUARDED;
    size_t waiting GUARDED; /* threads in gate_wait_room */
    bool closed GUARDED;
    void (*on_empty)(void *arg); /* called once the gate is closed and nobody is inside */
    void *arg;
};

/* on_empty is called by whichever thread lets the last one out, without the lock. */
void gate_init(struct gate *gate, size_t max, void (*on_empty)(void *arg), void *arg);
void gate_destroy(struct gate *gate);

/* Waits until somebody could enter. False: the gate was closed. */
bool gate_wait_room(struct gate *gate) MUST_USE;

/* Lets one in, if there is room and the gate is open. */
bool gate_try_enter(struct gate *gate) MUST_USE;

void gate_leave(struct gate *gate);

/* Lets nobody in any more and wakes who waits. Returns how many are inside; with 0 on_empty is not
 * called. */
size_t gate_close(struct gate *gate);

size_t gate_live(struct gate *gate);

#endif
