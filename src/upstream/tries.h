/* What one connection has tried, and may still try. Its thread's. */
#ifndef UPSTREAM_TRIES_H
#define UPSTREAM_TRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "upstream/member.h"

#define TRIES_MOST 101 /* the most connect_attempts, and a test */

struct tried {
    const struct member *member; /* no reference: only compared */
    bool hurried;                /* no answer in a hurry: can be asked again */
    bool proven;                 /* had answered before */
};

struct tries {
    uint64_t client; /* hash of its address, for source_hash */
    /* the client has a connection to it, which ends if another is chosen; or NULL */
    const struct member *held;
    int64_t left;  /* attempts */
    unsigned tier; /* the highest tried */
    size_t n;
    struct tried list[TRIES_MOST];
};

void tries_note(struct tries *tries, const struct member *member, bool hurried);

bool tries_include(const struct tries *tries, const struct member *member);

bool tries_any_hurried(const struct tries *tries);

#endif
