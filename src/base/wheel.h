/* Moments to come: filing one, taking it out and finding those due costs the same for three or a
 * million (hierarchical timing wheels: Varghese and Lauck, 1987). Rounded up to a tick of some 8
 * ms. Allocates nothing: what is filed brings its entry.
 *
 * The caller has a lock around it. */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/clock.h"

#define WHEEL_LEVEL_BITS 6
#define WHEEL_SLOTS      (1 << WHEEL_LEVEL_BITS)
#define WHEEL_LEVELS     6 /* 2^36 ticks: 17 years */

struct wheel_entry {
    LIST_ENTRY(wheel_entry) entry;
    uint64_t tick;
    uint16_t at; /* where it is filed; 0: nowhere */
};

struct wheel {
    uint64_t now;                    /* tick; what is up to it is in `due` */
    uint64_t occupied[WHEEL_LEVELS]; /* a bit for each nonempty slot */
    LIST_HEAD(wheel_list, wheel_entry) slots[WHEEL_LEVELS][WHEEL_SLOTS], due;
};

void wheel_init(struct wheel *wheel, usec_t now);

/* Files an entry (zeroed at first), anew if filed. USEC_NEVER: takes it out. */
void wheel_file(struct wheel *wheel, struct wheel_entry *entry, usec_t due);

/* Takes out one due by now; none is early by more than a tick. NULL: none is due. */
struct wheel_entry *wheel_take(struct wheel *wheel, usec_t now);

static inline bool wheel_has(const struct wheel_entry *entry) {
    return entry->at != 0;
}

/* Filed for a later moment. */
bool wheel_is_later(const struct wheel_entry *entry, usec_t than);

/* When to look again: not after the first is due, a little before at most. USEC_NEVER: empty. */
usec_t wheel_next(const struct wheel *wheel);

#endif
