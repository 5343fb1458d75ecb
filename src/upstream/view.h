/* Sums over some members, for one search at one moment. */
#ifndef UPSTREAM_VIEW_H
#define UPSTREAM_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

struct view {
    uint64_t least;             /* key of the candidates; lower ones are asked sooner */
    size_t n;                   /* candidates */
    size_t failing;             /* with failures */
    size_t other;               /* can be had, but are no candidates */
    size_t full;                /* have max_connections */
    size_t proven, sound, used; /* can be had: proven; fresh, too; failing, too */
    size_t left_alone;          /* after failures */
    bool cut_off;               /* some are */
    uint64_t weight[2];         /* of candidates without and with failures */
    bool ramps;                 /* some are in slow_start */
    bool by_chance;             /* the draw fell on one with failures */
    usec_t until;               /* time alone changes nothing before */
    size_t listed;              /* candidates in the roster's list */
};

/* Before candidates of this key are counted, which the caller does if `least` is their key. */
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
