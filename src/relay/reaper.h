/* The reaper: one thread that ends connections whose time is up (idle_timeout, linger_timeout), so
 * that no pump needs a timer, and pump threads that have long been idle. */
#ifndef RELAY_REAPER_H
#define RELAY_REAPER_H

#include "base/thread.h"
#include "relay/pump_pool.h"
#include "relay/registry.h"

struct reaper {
    struct registry *registry;
    struct pump_pool *pumps;
    usec_t interval; /* between looks at every conn, at most */
    struct thread thread;
    bool stop GUARDED; /* under the registry's lock */
};

/* shortest: the shortest idle_timeout or linger_timeout that is in force. 0 or -errno. */
int reaper_start(struct reaper *reaper, struct registry *registry, struct pump_pool *pumps,
                 usec_t shortest) MUST_USE;
void reaper_stop(struct reaper *reaper);

#endif
