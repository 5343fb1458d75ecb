/* The member for one more request of a client connection, which may have one already: where each
 * request is balanced, and where cookies name members. */
#ifndef UPSTREAM_AGAIN_H
#define UPSTREAM_AGAIN_H

#include "http/cookie.h"
#include "upstream/upstream.h"

/* The member that the token names, if it can be had now: it takes new connections, is not full, and
 * stands in for nobody who can be had. Else (none: at once) whom the balancer names, for whom the
 * connection to `held` (NULL: none) counts as ended. A search goes there first (search.h). Returns
 * a reference; or NULL: none can be had at once, and a search is to find out. Any thread that holds
 * its configuration, no leaf lock held. */
struct member *again_choose(struct upstream *upstream, const struct addr *client,
                            struct cookie_token token, const struct member *held);

#endif
