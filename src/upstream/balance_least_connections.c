/* The fewest connections for its weight. Among equals, and servers that are idle are equal whatever
 * their weights, by turns as in round robin: so a quiet upstream does not give everything to its
 * heaviest server, and equal servers get equal shares without depending on chance. */
#include "upstream/balance.h"

size_t balance_least_connections(const struct candidate *list, size_t n,
                                 struct balance_hint *hint) {
    size_t least = 0;

    (void)hint;
    for (size_t i = 1; i < n; i++)
        if (balance_less_busy(&list[i], &list[least]))
            least = i;
    return balance_next_in_turn(list, n, &list[least]);
}
