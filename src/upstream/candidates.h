/* Candidates: the members of an upstream that a search may ask next. Among few members all are
 * looked at; of many a group (groups.h), whose sums are kept, is chosen first. */
#ifndef UPSTREAM_CANDIDATES_H
#define UPSTREAM_CANDIDATES_H

#include "upstream/tries.h"
#include "upstream/upstream.h"
#include "upstream/view.h"

/* Lists them in the roster, and says what else there is. */
struct view candidates_gather(struct upstream *upstream, const struct tries *tries, usec_t now)
    REQUIRES(upstream->lock);

/* Chooses among what was gathered; there is at least one candidate. */
const struct slot *candidates_choose(struct upstream *upstream, const struct tries *tries,
                                     const struct view *view) REQUIRES(upstream->lock);

#endif
