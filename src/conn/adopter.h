/* Gives pumps to adopted connections in which nothing is under way, beside whatever else goes on:
 * threads are what an adoption of thousands costs, and nobody waits for these. Until then the
 * reaper looks after them like after any other; what ends one wakes nobody, and its pumps find that
 * when they come. */
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
    struct conn **conns; /* with a reference each */
    size_t next, n;
};

/* Gives pumps to those from `next` on, in a thread or, for want of one, at once. Takes the
 * references to those, and the array (from malloc(3)). Once in the life of a process. Main. */
void adopter_begin(struct adopter *adopter, struct pump_pool *pumps, struct conn **conns,
                   size_t next, size_t n);

/* Takes the caller's reference and sets the pumps going. False: there are no threads, and it has
 * been reset and logged. Any thread. */
bool adopter_give_pumps(struct pump_pool *pumps, struct conn *conn) MUST_USE;

/* Logs that so many were reset for want of threads, unless none was. */
void adopter_say_unmanned(size_t n);

/* Waits until all have their pumps, which takes no longer than to make so many threads. Again and
 * again if need be. Main. */
void adopter_join(struct adopter *adopter);

#endif
