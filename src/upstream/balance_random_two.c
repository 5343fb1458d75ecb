/* The power of two choices (Mitzenmacher, 2001): of two drawn at random, the less busy. Nearly as
 * even as asking all, and several relays that do not know of each other do not all run to the same
 * idle server. */
#include "upstream/balance.h"

size_t balance_random_two(const struct candidate *list, size_t n, struct balance_hint *hint) {
    if (n == 1)
        return 0;
    size_t one = balance_draw(list, n, n, hint->random),
           two = balance_draw(list, n, one, hint->random);

    return balance_less_busy(&list[two], &list[one]) ? two : one;
}
