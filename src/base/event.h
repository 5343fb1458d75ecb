/* A number that threads wait on until it changes: one system call, no lock (futex(2)). Whoever sees
 * the change sees all written before it. */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct event {
    _Atomic uint32_t value; /* 0 in a zeroed struct */
};

uint32_t event_value(const struct event *event);

/* Sets 0. Nobody waits; wakes nobody. */
void event_reset(struct event *event);

/* Waits until it is not `seen`; returns it. Signals do not end the wait. */
uint32_t event_wait(struct event *event, uint32_t seen);

/* The same, up to the deadline of clock_now(): then it may be what was seen. A signal may end the
 * wait, too. */
uint32_t event_wait_until(struct event *event, uint32_t seen, usec_t deadline);

/* The same of one who is woken by event_set, and by event_set_for with one of these bits. */
uint32_t event_wait_as(struct event *event, uint32_t seen, uint32_t bits);

/* As event_set; wakes only those who wait with one of these bits: the others find out later. */
void event_set_for(struct event *event, uint32_t value, uint32_t bits);

/* Wakes all. The event may go once a waiter sees the value: then only the kernel uses its
 * address. */
void event_set(struct event *event, uint32_t value);

/* Changes it by one and wakes all: where several threads may, at the same time. */
void event_bump(struct event *event);

/* Its two halves: for those who change the event under a lock, and wake once they have released it,
 * lest the waiter run into the lock. By then the event may be gone. */
void event_put(struct event *event, uint32_t value);
void event_wake(const struct event *event);

#endif
