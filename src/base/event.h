/* A number that threads wait on until it changes: the cheapest way to wake one or several of them,
 * with one system call and no lock (futex(2)). What was written before the change is seen by
 * whoever sees it. */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include <stdint.h>

struct event {
    _Atomic uint32_t value; /* 0 in a zeroed struct */
};

uint32_t event_value(const struct event *event);

/* Sets it to 0 and wakes nobody: nobody waits. */
void event_reset(struct event *event);

/* Waits until the value is no longer `seen`, and returns it. Signals do not end the wait. */
uint32_t event_wait(struct event *event, uint32_t seen);

/* Sets the value and wakes all who wait. The event may be gone as soon as a waiter has seen the
 * value: this touches it no more after that, but for the address given to the kernel. */
void event_set(struct event *event, uint32_t value);

#endif
