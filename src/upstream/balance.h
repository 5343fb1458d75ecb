/* Ways to choose one of several servers: one row in balances.def and one file each. */
#ifndef UPSTREAM_BALANCE_H
#define UPSTREAM_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A server that may be chosen now. Those that are down, full or tried already are not among the
 * candidates. */
struct candidate {
    uint64_t id;     /* of the server: a hash, the same in each process and after each reload */
    uint64_t weight; /* 1 to 2^36 - 1; it may change from pick to pick (slow_start) */
    uint64_t live;   /* connections that it has, below 2^28 */
    /* Its own, kept from pick to pick, 0 at first; see balance_turn. Atomic, and no more than that:
     * while one configuration takes over from another two may pick at the same moment, and a turn
     * is counted twice then, or not at all. */
    _Atomic int64_t *credit;
};

/* What a pick may go by besides the candidates. */
struct balance_hint {
    uint64_t client; /* hash of the client's address without its port */
    uint64_t
        *random; /* state of a generator (xorshift64*, never 0), to be drawn from and changed */
};

/* Returns the index of the chosen one; n is at least 1. Called under the upstream's lock. */
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

/* The next number of the generator. */
uint64_t balance_random(uint64_t *state);

/* The index of one at random in proportion to the weights, but not `but` (n: any). */
size_t balance_draw(const struct candidate *list, size_t n, size_t but, uint64_t *random);

/* Whether a has fewer connections for its weight than b. Exact. */
static inline bool balance_less_busy(const struct candidate *a, const struct candidate *b) {
    return a->live * b->weight < b->live * a->weight;
}

/* The next by turns, in proportion to the weights, among those that are as busy as `like`, which is
 * one of the list (NULL: among all). Changes the credits of these. In balance_round_robin.c. */
size_t balance_turn(const struct candidate *list, size_t n, const struct candidate *like);

#endif
