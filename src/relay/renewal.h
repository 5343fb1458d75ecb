/* Certificates that are renewed while they are in use: the files of the configuration in force are
 * looked at again and again, by a thread of its own. What is new and sound is taken, and logged;
 * so is, in time, what nobody renews. Of listeners and of upstreams. */
#ifndef RELAY_RENEWAL_H
#define RELAY_RENEWAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/thread.h"
#include "config/config.h"

#define RENEWAL_INTERVAL (60 * USEC_PER_SEC)

/* A zeroed one is not started. */
struct renewal {
    struct thread thread;
    struct lock lock;
    struct cond changed;
    struct config *config GUARDED; /* a reference; NULL: none */
    bool stop GUARDED;
    usec_t interval;
    int64_t looked; /* time(2) of the look before; 0: none. The thread's */
};

/* Looks at the files of this configuration from now on, every interval; starts the thread if there
 * is anything to look at. The owner's. */
void renewal_use(struct renewal *renewal, struct config *config, usec_t interval);

/* Ends the thread. The owner's. */
void renewal_stop(struct renewal *renewal);

/* Whether it is time to tell that a certificate ends: when a third of its life is left, each day
 * of its last week, and at its end. A look is due for what came after the look before. Pure. */
bool renewal_is_told(int64_t not_before, int64_t not_after, int64_t looked, int64_t now);

#endif
