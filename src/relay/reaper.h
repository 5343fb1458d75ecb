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
    struct thread thread;
    usec_t interval GUARDED; /* between looks at every conn, at most; under the registry's lock */
    bool stop GUARDED;       /* under the registry's lock */
};

/* 0 or -errno. */
int reaper_start(struct reaper *reaper, struct registry *registry,
                 struct pump_pool *pumps) MUST_USE;

/* Tells it the shortest idle_timeout or linger_timeout that new connections have. */
void reaper_set_shortest(struct reaper *reaper, usec_t shortest);
void reaper_stop(struct reaper *reaper);

#endif
