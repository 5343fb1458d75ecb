/* The reaper: one thread that ends connections whose time is up (idle_timeout, linger_timeout), so
 * that no pump needs a timer, and pump threads that have long been idle.
 *
 * Pumps report no bytes: the reaper looks when a conn might have fallen silent. One that has moved
 * on costs a glance; about others it asks the kernel, without the registry's lock. So cost grows
 * with the connections that end or fall silent, not with all. */
#ifndef CONN_REAPER_H
#define CONN_REAPER_H

#include "base/thread.h"
#include "conn/leg_pool.h"
#include "conn/pump_pool.h"
#include "conn/registry.h"

struct reaper {
    struct registry *registry;
    struct pump_pool *pumps;
    struct leg_pool *legs;
    struct thread thread;
    bool stop GUARDED; /* under the registry's lock */
};

/* 0 or -errno. */
int reaper_start(struct reaper *reaper, struct registry *registry, struct pump_pool *pumps,
                 struct leg_pool *legs) MUST_USE;
void reaper_stop(struct reaper *reaper);

#endif
