#include "upstream/balance.h"

balance_fn *const balance_fns[BALANCE_COUNT] = {
#define BALANCE(name, help) [BALANCE_##name] = balance_##name,
#include "upstream/balances.def"
#undef BALANCE
};

uint64_t balance_next_random(uint64_t *state) {
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1dULL;
}

size_t balance_draw(const struct candidate *list, size_t n, size_t but, uint64_t *random) {
    uint64_t total = 0;
    size_t last = 0;

    for (size_t i = 0; i < n; i++)
        total += i != but ? list[i].weight : 0;
    uint64_t at =
        balance_next_random(random) % total; /* with a bias below 2^-40 for all possible weights */
    for (size_t i = 0; i < n; i++) {
        if (i == but)
            continue;
        if (at < list[i].weight)
            return i;
        at -= list[i].weight;
        last = i;
    }
    return last;
}
