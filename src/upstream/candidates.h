/* The members that a search may ask next. Of many, a group (groups.h) is chosen first. */
#ifndef UPSTREAM_CANDIDATES_H
#define UPSTREAM_CANDIDATES_H

#include "upstream/tries.h"
#include "upstream/upstream.h"
#include "upstream/view.h"

/* Lists candidates in the roster, and says what else there is. */
struct view candidates_gather(struct upstream *upstream, const struct tries *tries, usec_t now)
    REQUIRES(upstream->lock);

/* All candidates of a search that begins, one by one. */
struct view candidates_list(struct upstream *upstream, const struct tries *tries, usec_t now)
    REQUIRES(upstream->lock);

/* There must be any. */
const struct slot *candidates_choose(struct upstream *upstream, const struct tries *tries,
                                     const struct view *view) REQUIRES(upstream->lock);

#endif
