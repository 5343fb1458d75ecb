/* Rendezvous hashing (Thaler and Ravishankar, 1998), weighted: each server scores each client by a
 * hash of both, and the best score gets it. A server that goes takes nobody's place but its own: of
 * the clients only its own move, evenly to all others; and they come back with it. There is no
 * table to be built. */
#include <math.h>

#include "base/hash.h"
#include "upstream/balance.h"

/* Evenly from 0 to 1, both excluded. */
static double even_fraction(const struct candidate *candidate, uint64_t salt) {
    return ((double)(hash_salted(candidate->id, salt) >> 11) + 0.5) * 0x1p-53;
}

/* -weight / ln(u) for u evenly from 0 to 1 is the best of all with a chance in proportion to the
 * weight. Since -ln(u) is at least 1 - u, it is at most weight / (1 - u): so of many but a few need
 * their logarithm to be seen to be worse. */
static bool may_have(const struct candidate *candidate, double u, double points) {
    return (double)candidate->weight > points * (1 - u) * (1 - 0x1p-30); /* whatever was rounded */
}

size_t balance_source_hash(const struct candidate *list, size_t n, struct balance_hint *hint) {
    uint64_t salt = hash_salt(hint->client);
    size_t best = 0;
    double most = -1;

    for (size_t i = 0; i < n; i++) {
        double u = even_fraction(&list[i], salt);

        if (!may_have(&list[i], u, most))
            continue;
        double points = -(double)list[i].weight / log(u);
        /* Equal scores do not depend on the order of the list either. */
        if (points > most || (points == most && list[i].id > list[best].id)) {
            most = points;
            best = i;
        }
    }
    return best;
}
