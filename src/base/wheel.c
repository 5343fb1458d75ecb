/* Each level counts in units 64 times as long as those of the level below. A moment lies on the
 * level of the highest digit (of 6 bits) in which it differs from now, in the slot of that digit.
 * So each slot of a level comes before all slots of the levels above; and when now reaches a slot,
 * what is in it differs from now in lower digits only, and moves down. */
#include "base/wheel.h"

#include <stddef.h>

#include "base/check.h"

#define TICK_BITS 13 /* a tick is 2^13 microseconds */
#define DIGIT     (WHEEL_SLOTS - 1)
#define TICKS     ((uint64_t)1 << (WHEEL_LEVEL_BITS * WHEEL_LEVELS))

/* wheel_entry.at: a slot of a level, or `due`. */
#define AT_DUE          1
#define AT(level, slot) ((uint16_t)(2 + (level)*WHEEL_SLOTS + (slot)))
#define LEVEL_OF(at)    (((at)-2) / WHEEL_SLOTS)
#define SLOT_OF(at)     (((at)-2) % WHEEL_SLOTS)
#define BIT(slot)       ((uint64_t)1 << (slot))
#define SHIFT_TO(level) (WHEEL_LEVEL_BITS * (level))

static uint64_t tick_after(usec_t moment) {
    return moment <= 0 ? 0 : ((uint64_t)moment + BIT(TICK_BITS) - 1) >> TICK_BITS;
}

void wheel_init(struct wheel *wheel, usec_t now) {
    *wheel = (struct wheel){.now = (uint64_t)now >> TICK_BITS};
}

static void take_out(struct wheel *wheel, struct wheel_entry *entry) {
    LIST_REMOVE(entry, entry);
    if (entry->at != AT_DUE) {
        int level = LEVEL_OF(entry->at), slot = SLOT_OF(entry->at);

        if (LIST_EMPTY(&wheel->slots[level][slot]))
            wheel->occupied[level] &= ~BIT(slot);
    }
    entry->at = 0;
}

static void put_in(struct wheel *wheel, struct wheel_entry *entry) {
    if (entry->tick <= wheel->now) {
        entry->at = AT_DUE;
        LIST_INSERT_HEAD(&wheel->due, entry, entry);
        return;
    }
    int level = (63 - __builtin_clzll(entry->tick ^ wheel->now)) / WHEEL_LEVEL_BITS;
    int slot = (int)(entry->tick >> SHIFT_TO(level)) & DIGIT;

    entry->at = AT(level, slot);
    LIST_INSERT_HEAD(&wheel->slots[level][slot], entry, entry);
    wheel->occupied[level] |= BIT(slot);
}

void wheel_file(struct wheel *wheel, struct wheel_entry *entry, usec_t due) {
    uint64_t last = wheel->now | (TICKS - 1); /* beyond it there is no slot */

    if (wheel_has(entry))
        take_out(wheel, entry);
    if (due == USEC_NEVER)
        return;
    entry->tick = tick_after(due);
    if (entry->tick > last)
        entry->tick = last;
    put_in(wheel, entry);
}

bool wheel_is_later(const struct wheel_entry *entry, usec_t than) {
    return wheel_has(entry) && entry->tick > tick_after(than);
}

/* The first slot that is not empty: its level, and the tick at which it begins. -1: all are
 * empty. */
static int first_slot(const struct wheel *wheel, uint64_t *ret_begins) {
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        if (wheel->occupied[level] == 0)
            continue;
        uint64_t slot = (uint64_t)__builtin_ctzll(wheel->occupied[level]);
        uint64_t above = wheel->now >> SHIFT_TO(level + 1) << SHIFT_TO(level + 1);

        *ret_begins = above | slot << SHIFT_TO(level);
        return level;
    }
    return -1;
}

/* Now has come to the beginning of this slot. */
static void move_down(struct wheel *wheel, int level) {
    struct wheel_list *slot = &wheel->slots[level][wheel->now >> SHIFT_TO(level) & DIGIT];
    struct wheel_entry *entry;

    while ((entry = LIST_FIRST(slot)) != NULL) {
        take_out(wheel, entry);
        put_in(wheel, entry);
    }
}

struct wheel_entry *wheel_take(struct wheel *wheel, usec_t now) {
    uint64_t until = (uint64_t)now >> TICK_BITS, begins = 0;
    int level;

    while (LIST_EMPTY(&wheel->due)) {
        level = first_slot(wheel, &begins);
        if (level < 0 || begins > until) {
            if (until > wheel->now)
                wheel->now = until;
            return NULL;
        }
        wheel->now = begins;
        move_down(wheel, level);
    }
    struct wheel_entry *entry = LIST_FIRST(&wheel->due);
    take_out(wheel, entry);
    return entry;
}

usec_t wheel_next(const struct wheel *wheel) {
    uint64_t begins = 0;

    if (!LIST_EMPTY(&wheel->due))
        return 0;
    if (first_slot(wheel, &begins) < 0)
        return USEC_NEVER;
    return (usec_t)(begins << TICK_BITS);
}
