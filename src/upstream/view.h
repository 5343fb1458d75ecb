/* What the members of an upstream are to one search at one moment: who may be asked next, its
 * candidates, and what else there is. Among few members all are looked at; of many a group
 * (groups.h), whose sums are kept, is chosen first. */
#ifndef UPSTREAM_VIEW_H
#define UPSTREAM_VIEW_H

#include "upstream/search.h"

/* Only proportions matter; this leaves room for slow_start. A weight is at most 1,000 times the
 * 65,535 of an SRV record, and this times that is below 2^36 (struct candidate). */
#define VIEW_WEIGHT_SCALE 1000

struct view {
    uint64_t least;             /* key of the candidates: the lower, the sooner they are asked */
    size_t n;                   /* candidates: all of the least key */
    size_t failing;             /* of these, members with failures */
    size_t other;               /* that can be had, too, but are no candidates */
    size_t full;                /* that cannot: they have max_connections */
    size_t proven, sound, used; /* that can be had: proven; these and fresh; these and failing */
    size_t left_alone;          /* that have been tried too often in vain */
    bool cut_off;               /* there are some to which this machine has no way */
    uint64_t weight[2];         /* of all candidates: without and with failures */
    bool ramps;                 /* some have not risen to their whole share yet (slow_start) */
    bool by_chance;             /* one of those with failures is chosen, by chance */
    usec_t until;               /* time alone changes nothing of this before */
    size_t listed;              /* candidates in the roster's list, of which one is chosen */
};

struct view view_gather(struct search *search, usec_t now) REQUIRES(search->upstream->lock);

/* Chooses among what was gathered; there is at least one candidate. */
const struct slot *view_choose(struct search *search, const struct view *view)
    REQUIRES(search->upstream->lock);

/* Whether it has max_connections: by the configuration that is in force, as far as it has the
 * server, also for those who came under an earlier one. */
bool view_is_full(const struct upstream *upstream, const struct slot *slot)
    REQUIRES(upstream->lock);

bool view_was_tried(const struct search *search, const struct member *member);

#endif
