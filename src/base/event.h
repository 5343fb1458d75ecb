/* A number that threads wait on until it changes: the cheapest way to wake one or several, by one
 * system call without a lock (futex(2)). Whoever sees the change sees all that was written before
 * it. */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include <stdint.h>

struct event {
    _Atomic uint32_t value; /* 0 in a zeroed struct */
};

uint32_t event_value(const struct event *event);

/* Sets it to 0. Nobody waits, and nobody is woken. */
void event_reset(struct event *event);

/* Waits until the value is not `seen`, and returns it. Signals do not end the wait. */
uint32_t event_wait(struct event *event, uint32_t seen);

/* Sets the value and wakes all. The event may go as soon as a waiter sees the value: only its
 * address is used after that, by the kernel. */
void event_set(struct event *event, uint32_t value);

#endif
