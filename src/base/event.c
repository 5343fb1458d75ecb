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
    uint32_t value;

    while ((value = event_value(event)) == seen)
        (void)syscall(SYS_futex, &event->value, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    return value;
}

void event_set(struct event *event, uint32_t value) {
    void *address = &event->value;

    atomic_store_explicit(&event->value, value, memory_order_release);
    (void)syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
