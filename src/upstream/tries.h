/* What one connection has tried so far, and how much it may still try. Its thread's alone. */
#ifndef UPSTREAM_TRIES_H
#define UPSTREAM_TRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "upstream/member.h"

#define TRIES_MOST 101 /* members: the most that connect_attempts can be, and a test */

struct tried {
    const struct member *member; /* not a reference: only compared */
    bool hurried;                /* it did not answer in a hurry, and can be asked again */
    bool proven;                 /* and had answered before */
};

struct tries {
    uint64_t client; /* hash of the client's address, for source_hash */
    int64_t left;    /* attempts */
    unsigned tier;   /* the highest that was tried */
    size_t n;
    struct tried list[TRIES_MOST];
};

void tries_note(struct tries *tries, const struct member *member, bool hurried);

bool tries_include(const struct tries *tries, const struct member *member);

/* Whether some can be asked again. */
bool tries_any_hurried(const struct tries *tries);

#endif
