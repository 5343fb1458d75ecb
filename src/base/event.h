/* A number that threads wait on until it changes: one system call, no lock (futex(2)). Whoever sees
 * the change sees all written before it. */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include <stdint.h>

struct event {
    _Atomic uint32_t value; /* 0 in a zeroed struct */
};

uint32_t event_value(const struct event *event);

/* Sets 0. Nobody waits; wakes nobody. */
void event_reset(struct event *event);

/* Waits until it is not `seen`; returns it. Signals do not end the wait. */
uint32_t event_wait(struct event *event, uint32_t seen);

/* Wakes all. The event may go once a waiter sees the value: then only the kernel uses its
 * address. */
void event_set(struct event *event, uint32_t value);

#endif
