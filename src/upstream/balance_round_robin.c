/* Smooth weighted round robin, as nginx has it: each pick gives every candidate its weight in credit, takes the richest,
 * and has it pay for all. With weights 5, 1, 1 the order is a a b a c a a, not a a a a a b c. */
#include "upstream/balance.h"

/* A server that was away neither saved up credit nor fell into debt: what it has left from before is bounded by the
 * sum of the weights, so it comes back without a burst. */
size_t balance_round_robin(const struct candidate *list, size_t n, struct balance_hint *hint) {
    int64_t total = 0;
    size_t best = 0;

    (void)hint;
    for (size_t i = 0; i < n; i++) {
        *list[i].credit += (int64_t)list[i].weight;
        total += (int64_t)list[i].weight;
        if (*list[i].credit > *list[best].credit)
            best = i;
    }
    *list[best].credit -= total;
    return best;
}
