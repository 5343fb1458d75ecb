/* Ways to choose a server: a row in balances.def and a file each. */
#ifndef UPSTREAM_BALANCE_H
#define UPSTREAM_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* May be chosen now: not down, full or tried already. */
struct candidate {
    uint64_t id;     /* a hash of the server, the same in each process */
    uint64_t weight; /* 1 to 2^36 - 1; may change between picks (slow_start) */
    uint64_t live;   /* its connections, below 2^28 */
    /* Kept between picks, 0 at first. While a configuration takes over, two may pick at once: a
     * turn counts twice, or not. */
    _Atomic int64_t *credit;
};

struct balance_hint {
    uint64_t client;  /* hash of the client's address, without port */
    uint64_t *random; /* state of a generator (xorshift64*, never 0) */
};

/* Returns an index; n > 0. Under the upstream's lock. */
typedef size_t balance_fn(const struct candidate *list, size_t n, struct balance_hint *hint);

#define BALANCE(name, help) balance_fn balance_##name;
#include "upstream/balances.def"
#undef BALANCE

enum balance {
#define BALANCE(name, help) BALANCE_##name,
#include "upstream/balances.def"
#undef BALANCE
    BALANCE_COUNT
};

extern balance_fn *const balance_fns[BALANCE_COUNT];

uint64_t balance_next_random(uint64_t *state);

/* Returns an index drawn by weight, but not `but` (n: any). */
size_t balance_draw(const struct candidate *list, size_t n, size_t but, uint64_t *random);

/* For its weight. Exact. */
static inline bool balance_less_busy(const struct candidate *a, const struct candidate *b) {
    return a->live * b->weight < b->live * a->weight;
}

/* Takes turns by weight among those as busy as `like` (NULL: among all), and changes their
 * credits. */
size_t balance_next_in_turn(const struct candidate *list, size_t n, const struct candidate *like);

#endif
