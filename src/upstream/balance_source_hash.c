/* Rendezvous hashing (Thaler and Ravishankar, 1998), weighted: each server scores each client by a hash of both, and the
 * best score gets it. A server that goes takes nobody's place but its own: of the clients only its own move, evenly
 * to all others; and they come back with it. There is no table to be built. */
#include <math.h>

#include "upstream/balance.h"

/* -weight / ln(u) for u evenly from 0 to 1 is the best of all with a chance in proportion to the weight. */
static double score(const struct candidate *candidate, uint64_t client) {
    double u = ((double)(balance_pair(candidate->id, client) >> 11) + 0.5) * 0x1p-53;

    return -(double)candidate->weight / log(u);
}

size_t balance_source_hash(const struct candidate *list, size_t n, struct balance_hint *hint) {
    size_t best = 0;
    double most = -1;

    for (size_t i = 0; i < n; i++) {
        double points = score(&list[i], hint->client);

        /* Equal scores do not depend on the order of the list either. */
        if (points > most || (points == most && list[i].id > list[best].id)) {
            most = points;
            best = i;
        }
    }
    return best;
}
