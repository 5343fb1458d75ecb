/* A view: what some members of an upstream come to, for one search at one moment. */
#ifndef UPSTREAM_VIEW_H
#define UPSTREAM_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

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

/* Makes room for n candidates of this key, which may be behind those that are there, or put them
 * behind. Counting them, if they are of the least key then, is the caller's. */
static inline void view_join(struct view *view, uint64_t key, size_t n) {
    if (n == 0)
        return;
    if (view->n > 0 && key > view->least) {
        view->other += n;
        return;
    }
    if (view->n > 0 && key < view->least) {
        view->other += view->n;
        view->n = view->failing = 0;
        view->weight[0] = view->weight[1] = 0;
    }
    view->least = key;
}

/* Adds what other members come to. */
static inline void view_add(struct view *view, const struct view *part) {
    view->other += part->other;
    view->full += part->full;
    view->proven += part->proven;
    view->sound += part->sound;
    view->used += part->used;
    view->left_alone += part->left_alone;
    view->cut_off |= part->cut_off;
    view->ramps |= part->ramps;
    view_join(view, part->least, part->n);
    if (part->n == 0 || part->least > view->least)
        return;
    view->n += part->n;
    view->failing += part->failing;
    view->weight[0] += part->weight[0];
    view->weight[1] += part->weight[1];
}

#endif
