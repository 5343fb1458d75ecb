#include "base/event.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(struct event) == sizeof(uint32_t), "a futex is 32 bits");

uint32_t event_value(const struct event *event) {
    return atomic_load_explicit(&event->value, memory_order_acquire);
}

void event_reset(struct event *event) {
    atomic_store_explicit(&event->value, 0, memory_order_relaxed);
}

uint32_t event_wait(struct event *event, uint32_t seen) {
    return event_wait_as(event, seen, FUTEX_BITSET_MATCH_ANY);
}

uint32_t event_wait_as(struct event *event, uint32_t seen, uint32_t bits) {
    uint32_t value;

    while ((value = event_value(event)) == seen)
        (void)syscall(SYS_futex, &event->value, FUTEX_WAIT_BITSET_PRIVATE, seen, NULL, NULL, bits);
    return value;
}

void event_set_for(struct event *event, uint32_t value, uint32_t bits) {
    void *address = &event->value;

    event_put(event, value);
    (void)syscall(SYS_futex, address, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, bits);
}

/* The timeout of this kind of wait is a moment, not a span. */
uint32_t event_wait_until(struct event *event, uint32_t seen, usec_t deadline) {
    struct timespec until = clock_timespec(deadline);

    if (event_value(event) == seen)
        (void)syscall(SYS_futex, &event->value, FUTEX_WAIT_BITSET_PRIVATE, seen, &until, NULL,
                      FUTEX_BITSET_MATCH_ANY);
    return event_value(event);
}

void event_put(struct event *event, uint32_t value) {
    atomic_store_explicit(&event->value, value, memory_order_release);
}

void event_wake(const struct event *event) {
    (void)syscall(SYS_futex, &event->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void event_set(struct event *event, uint32_t value) {
    event_put(event, value);
    event_wake(event);
}

void event_bump(struct event *event) {
    atomic_fetch_add_explicit(&event->value, 1, memory_order_release);
    event_wake(event);
}
