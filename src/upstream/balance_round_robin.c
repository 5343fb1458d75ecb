/* Smooth weighted round robin, as nginx does it: at each pick everybody gets credit for its weight,
 * the one with the most is chosen and pays for all. So the shares are exact, and a heavy server's
 * turns are spread between the others'.
 *
 * Unlike nginx's, a credit counts in turns, not in weights: a pick is one turn, which those who
 * could have got it earn in parts. A turn is then worth the same however many share it and whatever
 * the weights are, and everybody's picks stay within about one of what it has earned, also while
 * candidates and weights change from pick to pick.
 *
 * Who is no candidate keeps its credit and earns nothing. So a server that comes back goes on as if
 * no time had passed: it has no arrears to make up for in a burst. */
#include <stdatomic.h>

#include "upstream/balance.h"

/* A credit is in 2^-28 of a turn; rounding loses less than one pick in 2^27. */
#define TURN_SHIFT 28

static bool takes_part(const struct candidate *one, const struct candidate *like) {
    return like == NULL || (!balance_less_busy(one, like) && !balance_less_busy(like, one));
}

size_t balance_next_in_turn(const struct candidate *list, size_t n, const struct candidate *like) {
    uint64_t total = 0;
    int64_t earned = 0, most = 0; /* by all: one turn but for the rounding; and what the best has */
    size_t best = n;

    for (size_t i = 0; i < n; i++)
        if (takes_part(&list[i], like))
            total += list[i].weight;
    double turn = (double)(1 << TURN_SHIFT) / (double)total;
    for (size_t i = 0; i < n; i++) {
        if (!takes_part(&list[i], like))
            continue;
        int64_t part = (int64_t)((double)list[i].weight * turn);

        earned += part;
        int64_t credit = atomic_load_explicit(list[i].credit, memory_order_relaxed) + part;
        atomic_store_explicit(list[i].credit, credit, memory_order_relaxed);
        if (best == n || credit > most) {
            best = i;
            most = credit;
        }
    }
    atomic_store_explicit(list[best].credit, most - earned, memory_order_relaxed);
    return best;
}

size_t balance_round_robin(const struct candidate *list, size_t n, struct balance_hint *hint) {
    (void)hint;
    return balance_next_in_turn(list, n, NULL);
}
