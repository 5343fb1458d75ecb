#include "listen/gate.h"

#include <stdatomic.h>

/* What may be spent on vain waits for a leaver, and which part of each moment is taken off that
 * again. A wait may take half of what is left: 100 ms at first. So in the long run such waits take
 * a tenth of the time, however many there are. */
#define VAIN_MOST   (200 * USEC_PER_MSEC)
#define VAIN_FORGET 10

void gate_init(struct gate *gate, size_t max, void (*on_empty)(void *arg), void *arg) UNCHECKED {
    lock_init(&gate->lock, RANK_LEAF);
    cond_init(&gate->room);
    gate->max = max;
    gate->live = gate->waiting = 0;
    gate->nudges = gate->left = 0;
    gate->spent = gate->spent_at = 0;
    gate->closed = false;
    atomic_init(&gate->told, 0);
    gate->on_empty = on_empty;
    gate->arg = arg;
}

void gate_destroy(struct gate *gate) {
    cond_destroy(&gate->room);
    lock_destroy(&gate->lock);
}

enum room gate_wait_room(struct gate *gate, usec_t until) {
    bool in_time = true;

    lock_acquire(&gate->lock);
    unsigned nudges = gate->nudges;
    gate->waiting++;
    while (gate->live >= gate->max && !gate->closed && gate->nudges == nudges && in_time)
        in_time = cond_wait_until(&gate->room, &gate->lock, until);
    gate->waiting--;
    bool there = gate->live < gate->max, closed = gate->closed;
    lock_release(&gate->lock);
    return closed ? ROOM_CLOSED : there ? ROOM_THERE : ROOM_NUDGED;
}

void gate_nudge(struct gate *gate) {
    lock_acquire(&gate->lock);
    gate->nudges++;
    cond_broadcast(&gate->room);
    lock_release(&gate->lock);
}

void gate_set_max(struct gate *gate, size_t max) {
    lock_acquire(&gate->lock);
    gate->max = max;
    cond_broadcast(&gate->room);
    lock_release(&gate->lock);
}

bool gate_try_enter(struct gate *gate) {
    lock_acquire(&gate->lock);
    bool enter = gate->live < gate->max && !gate->closed;
    if (enter)
        gate->live++;
    lock_release(&gate->lock);
    return enter;
}

void gate_force_enter(struct gate *gate) {
    lock_acquire(&gate->lock);
    gate->live++;
    lock_release(&gate->lock);
}

void gate_leave(struct gate *gate) {
    lock_acquire(&gate->lock);
    CHECK(gate->live > 0);
    gate->live--;
    gate->left++;
    bool wake = gate->waiting > 0;
    bool empty = gate->closed && gate->live == 0;
    /* Signalled under the lock: after it is released the gate may be gone. */
    if (wake)
        cond_broadcast(&gate->room); /* who looks for room may not take it: wake them all */
    if (!empty) {
        lock_release(&gate->lock);
        return;
    }
    void (*on_empty)(void *) = gate->on_empty;
    void *arg = gate->arg;
    lock_release(&gate->lock);
    if (on_empty != NULL)
        on_empty(arg);
}

/* Spent on vain waits, as of now. */
static usec_t gate_spent(struct gate *gate, usec_t now) REQUIRES(gate->lock) {
    usec_t forgotten = (now - gate->spent_at) / VAIN_FORGET;

    gate->spent = gate->spent > forgotten ? gate->spent - forgotten : 0;
    gate->spent_at = now;
    return gate->spent;
}

bool gate_await_leaver(struct gate *gate, struct leaver_wait *wait) {
    usec_t now = clock_now();
    bool in_time = true;

    lock_acquire(&gate->lock);
    if (wait->until == 0) {
        wait->patience = (VAIN_MOST - gate_spent(gate, now)) / 2;
        wait->until = now + wait->patience;
    } else {
        gate->waiting++;
        while (gate->left == wait->seen && !gate->closed && in_time)
            in_time = cond_wait_until(&gate->room, &gate->lock, wait->until);
        gate->waiting--;
        if (!in_time) {
            usec_t spent = gate_spent(gate, clock_now()) + wait->patience;
            gate->spent = spent < VAIN_MOST ? spent : VAIN_MOST;
        }
        in_time = in_time && !gate->closed;
    }
    wait->seen = gate->left;
    lock_release(&gate->lock);
    return in_time;
}

size_t gate_close(struct gate *gate) {
    lock_acquire(&gate->lock);
    gate->closed = true;
    size_t live = gate->live;
    cond_broadcast(&gate->room);
    lock_release(&gate->lock);
    return live;
}

size_t gate_live(struct gate *gate) {
    lock_acquire(&gate->lock);
    size_t live = gate->live;
    lock_release(&gate->lock);
    return live;
}

size_t gate_max(struct gate *gate) {
    lock_acquire(&gate->lock);
    size_t max = gate->max;
    lock_release(&gate->lock);
    return max;
}

bool gate_is_full(struct gate *gate) {
    lock_acquire(&gate->lock);
    bool full = gate->live >= gate->max && !gate->closed;
    lock_release(&gate->lock);
    return full;
}
