#include "upstream/again.h"

#include "upstream/candidates.h"
#include "upstream/search.h"

static bool can_be_had(const struct upstream *upstream, const struct slot *slot,
                       const struct member *held, usec_t now) REQUIRES(upstream->lock) {
    return slot_weight(slot) > 0 && member_standing(slot->member, now) <= MEMBER_FAILING &&
           (slot->member == held || !slot_is_full(slot, upstream->retired));
}

/* A backup is left once those can be had again that it stood in for. */
static bool stands_in(const struct upstream *upstream, const struct slot *slot,
                      const struct member *held, usec_t now) REQUIRES(upstream->lock) {
    const struct roster *roster = &upstream->roster;

    for (size_t i = 0; slot->tier > 0 && i < roster->n; i++)
        if (roster->slots[i].tier < slot->tier &&
            can_be_had(upstream, &roster->slots[i], held, now))
            return true;
    return false;
}

static const struct slot *find_named(const struct upstream *upstream, struct cookie_token token,
                                     const struct member *held, usec_t now)
    REQUIRES(upstream->lock) {
    const struct roster *roster = &upstream->roster;
    size_t i = 0;

    while (i < roster->n && !cookie_token_equal(roster->slots[i].token, token))
        i++;
    if (i == roster->n || !can_be_had(upstream, &roster->slots[i], held, now) ||
        stands_in(upstream, &roster->slots[i], held, now))
        return NULL;
    return &roster->slots[i];
}

struct member *again_choose(struct upstream *upstream, const struct addr *client,
                            struct cookie_token token, const struct member *held) {
    usec_t now = clock_coarse();
    const struct slot *slot = NULL;
    struct search search;

    search_begin(&search, upstream, client);
    search.tries.held = held;
    search.tries.left--;
    lock_acquire(&upstream->lock);
    if (!cookie_token_is_none(token))
        slot = find_named(upstream, token, held, now);
    if (slot == NULL) {
        struct view view = candidates_gather(upstream, &search.tries, now);

        if (view.n > 0)
            slot = candidates_choose(upstream, &search.tries, &view);
    }
    struct member *member = slot != NULL ? member_ref(slot->member) : NULL;
    lock_release(&upstream->lock);
    return member;
}
