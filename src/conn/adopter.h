/* Gives pumps to quiet adopted connections, in its own thread: threads are what adopting thousands
 * costs. Until then the reaper looks after them; one that ends meanwhile is closed by its pumps. */
#ifndef CONN_ADOPTER_H
#define CONN_ADOPTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/thread.h"
#include "conn/conn.h"
#include "conn/pump_pool.h"

struct adopter {
    struct thread thread;
    struct pump_pool *pumps;
    struct conn **conns; /* a reference each */
    size_t next, n;
};

/* From `next` on, in a thread or, for want of one, at once. Takes these references and the array
 * (malloc(3)). Once in a process. Main. */
void adopter_begin(struct adopter *adopter, struct pump_pool *pumps, struct conn **conns,
                   size_t next, size_t n);

/* Takes the caller's reference and starts the pumps. False: there are no threads; it was reset and
 * logged. Any thread. */
bool adopter_give_pumps(struct pump_pool *pumps, struct conn *conn) MUST_USE;

/* Logs how many were reset for want of threads; of 0, nothing. */
void adopter_say_unmanned(size_t n);

/* Waits until all have pumps: no longer than making the threads takes. May be called again.
 * Main. */
void adopter_join(struct adopter *adopter);

#endif
