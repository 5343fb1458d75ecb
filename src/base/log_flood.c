#include "base/log_flood.h"

#include <stdatomic.h>
#include <string.h>

/* What a group has seen in its present second. */
static struct seen {
    const struct log_group *group; /* NULL: nothing yet */
    usec_t begun;
    unsigned long n;                                  /* messages */
    unsigned long held;                               /* of them, not written */
    _Alignas(max_align_t) char last[LOG_PAYLOAD_MAX]; /* the last of those */
} all[LOG_GROUP_COUNT];

static unsigned long held; /* in all groups */

/* How many of a group were counted where they were met, in its present second; FULL: they are to
 * be. */
static _Atomic uint64_t passed[LOG_GROUP_COUNT];

#define FULL ((uint64_t)1 << 63)

bool log_flood_count(const struct log_group *group) {
    _Atomic uint64_t *count = &passed[group->number];
    uint64_t n = atomic_load_explicit(count, memory_order_relaxed);

    while ((n & FULL) != 0)
        if (atomic_compare_exchange_weak(count, &n, n + 1))
            return true;
    return false;
}

bool log_flood_admit(const struct log_group *group, const void *payload, size_t size) {
    struct seen *seen = &all[group->number];
    usec_t now = clock_coarse();

    CHECK(group->number < LOG_GROUP_COUNT && size <= sizeof(seen->last));
    /* A second with held messages is over when its summary has been taken. */
    if (seen->held == 0 && now - seen->begun >= USEC_PER_SEC) {
        seen->group = group;
        seen->begun = now;
        seen->n = 0;
    }
    if (seen->n++ < group->each_second)
        return true;
    if (seen->held++ == 0)
        atomic_store(&passed[group->number], FULL);
    held++;
    memcpy(seen->last, payload, size);
    return false;
}

usec_t log_flood_due(void) {
    usec_t due = USEC_NEVER;

    for (size_t i = 0; held > 0 && i < LOG_GROUP_COUNT; i++)
        if (all[i].held > 0 && all[i].begun + USEC_PER_SEC < due)
            due = all[i].begun + USEC_PER_SEC;
    return due;
}

const struct log_group *log_flood_take(usec_t now, struct log_line *line) {
    for (size_t i = 0; i < LOG_GROUP_COUNT; i++) {
        struct seen *seen = &all[i];

        if (seen->held == 0 || now < seen->begun + USEC_PER_SEC)
            continue;
        unsigned long more = (unsigned long)(atomic_exchange(&passed[i], 0) & ~FULL);
        seen->group->more(line, seen->last, seen->held + more);
        held -= seen->held;
        seen->held = 0;
        return seen->group;
    }
    return NULL;
}
