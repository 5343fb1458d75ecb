/* The fewest connections for its weight. Among equals, and servers that are idle are equal whatever their weights, by
 * turns as in round robin: so a quiet upstream does not give everything to its heaviest server, and two servers that
 * take their turns at once do not depend on chance. */
#include "upstream/balance.h"

size_t balance_least_connections(const struct candidate *list, size_t n,
                                 struct balance_hint *hint) {
    size_t least = 0, chosen;
    int64_t total = 0;

    (void)hint;
    for (size_t i = 1; i < n; i++)
        if (balance_less_busy(&list[i], &list[least]))
            least = i;
    chosen = least;
    for (size_t i = least; i < n; i++) { /* before `least` there is no equal */
        if (balance_less_busy(&list[least], &list[i]))
            continue;
        *list[i].credit += (int64_t)list[i].weight;
        total += (int64_t)list[i].weight;
        if (*list[i].credit > *list[chosen].credit)
            chosen = i;
    }
    *list[chosen].credit -= total;
    return chosen;
}
