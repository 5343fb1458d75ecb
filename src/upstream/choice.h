/* Which member a search asks next, by all that is known of the upstream's members. */
#ifndef UPSTREAM_CHOICE_H
#define UPSTREAM_CHOICE_H

#include "upstream/search.h"

/* The next one, counted in (member_enter), noted as tried, and with the claims that it takes; or
 * NULL, and *why. Lowers *timeout, connect_timeout at first, if the dial is to hurry; gives
 * search->left back what costs no attempt. */
struct member *choice_find(struct search *search, usec_t *timeout, enum search_outcome *why)
    REQUIRES(search->upstream->lock);

#endif
