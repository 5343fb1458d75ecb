/* The fewest connections for its weight, the one that is to come counted in: so a server of weight 3 with two
 * connections comes before one of weight 1 with none only when that is fair. */
#include "upstream/balance.h"

/* Among equals by turns: the search begins after a random place, so that an idle upstream does not give everything to
 * the first of the list. */
size_t balance_least_connections(const struct candidate *list, size_t n,
                                 struct balance_hint *hint) {
    size_t first = (size_t)(balance_random(hint->random) % n), best = first;

    for (size_t i = 1; i < n; i++) {
        size_t at = (first + i) % n;

        if (balance_less_busy(&list[at], &list[best]))
            best = at;
    }
    return best;
}
