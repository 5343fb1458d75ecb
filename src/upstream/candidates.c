#include "upstream/candidates.h"

#include <stdatomic.h>

/* Parts of a key (candidate_key); tiers are below 2^17 (enlist.c). */
#define KEY_BEHIND   ((uint64_t)1 << 17)
#define KEY_STANDING 18

#define RAMP_LEAST 10 /* slow_start begins at a tenth of the weight */
#define RAMP_STEPS 64 /* in which its group learns of it */

#define WEIGHT_MOST ((uint64_t)1 << 36) /* above all weights (struct candidate) */

_Static_assert(GROUPS_FROM >= MEMBER_CELLS, "a list of members has room for one of groups");

/* A look at members: whose, for whom, and when. */
struct look {
    struct upstream *upstream;
    const struct tries *tries;
    const struct member *held; /* that of the tries; or NULL, where sums are kept for others */
    usec_t now;
};

static bool is_by_load(const struct upstream *upstream) {
    return upstream->config->balance == BALANCE_least_connections ||
           upstream->config->balance == BALANCE_random_two ||
           upstream->config->balance == BALANCE_cookie;
}

/* Its share now (slow_start) of this weight. */
static uint64_t weight_now(const struct slot *slot, uint64_t whole, usec_t slow_start, usec_t now,
                           struct view *view) {
    usec_t since = atomic_load_explicit(&slot->member->back_since, memory_order_relaxed);
    uint64_t weight = whole * SLOT_WEIGHT_SCALE;

    if (slow_start == 0 || since == 0 || now - since >= slow_start)
        return weight;
    view->ramps = true;
    if (view->until > now + slow_start / RAMP_STEPS)
        view->until = now + slow_start / RAMP_STEPS;
    usec_t least = slow_start / RAMP_LEAST, risen = now - since > least ? now - since : least;
    uint64_t ramped =
        weight * (uint64_t)(risen / USEC_PER_MSEC) / ((uint64_t)(slow_start / USEC_PER_MSEC) + 1);
    return ramped > 0 ? ramped : 1;
}

/* Lower is sooner. first: for a search that has tried none. */
static uint64_t candidate_key(const struct look *look, bool first, const struct slot *slot,
                              enum member_standing standing) {
    const struct upstream_config *config = look->upstream->config;
    const struct member *member = slot->member;

    if (first) {
        bool tested = standing != MEMBER_PROVEN && config->balance != BALANCE_source_hash &&
                      atomic_load_explicit(&member->probed, memory_order_relaxed);
        return slot->tier + (tested ? KEY_BEHIND : 0);
    }
    /* Two or more have failed, and this is the last attempt: prefers a tier that shares less with
     * them. */
    bool elsewhere = look->tries->left == 0 && config->connect_attempts > 2;
    bool behind = elsewhere && slot->tier <= look->tries->tier;
    return ((uint64_t)standing << KEY_STANDING) + (behind ? KEY_BEHIND : 0) + slot->tier;
}

static void add_candidate(const struct look *look, const struct slot *slot, uint64_t whole,
                          struct view *view) REQUIRES(look->upstream->lock) {
    struct roster *roster = &look->upstream->roster;
    uint64_t weight = weight_now(slot, whole, look->upstream->config->slow_start, look->now, view);
    uint64_t live = atomic_load_explicit(&slot->member->live, memory_order_relaxed);
    bool failing = member_is_failing(slot->member);

    roster->candidate_slots[view->n] = slot;
    roster->candidates[view->n++] = (struct candidate){
        .id = slot->member->id,
        .weight = weight,
        .live = live > 0 && slot->member == look->held ? live - 1 : live,
        .credit = &slot->member->credit,
    };
    view->failing += failing;
    view->weight[failing] += weight;
}

/* Looks at one member (standing_note in search_next.c), and lists it if it is a candidate. */
static void look_at_slot(const struct look *look, bool first, const struct slot *slot,
                         struct view *view) REQUIRES(look->upstream->lock) {
    enum member_standing standing = member_standing(slot->member, look->now);
    enum member_standing worst = first ? MEMBER_DUE : MEMBER_FAILING;

    view->cut_off |= standing == MEMBER_CUT_OFF;
    uint64_t weight = slot_weight(slot); /* once: an order may change it */
    if (weight == 0)
        return;
    if (standing == MEMBER_DUE || standing == MEMBER_OUT) {
        usec_t due = atomic_load_explicit(&slot->member->out_until, memory_order_relaxed);

        view->left_alone++;
        if (due > look->now && due < view->until)
            view->until = due;
    }
    if (standing > worst || (!first && tries_include(look->tries, slot->member)))
        return;
    if (slot->member != look->held && slot_is_full(slot, look->upstream->retired)) {
        view->full += standing < MEMBER_DUE;
        return;
    }
    view->proven += standing == MEMBER_PROVEN;
    view->sound += standing <= MEMBER_FRESH;
    view->used += standing < MEMBER_DUE;
    uint64_t key = candidate_key(look, first, slot, standing);
    view_join(view, key, 1);
    if (key == view->least)
        add_candidate(look, slot, weight, view);
}

static struct view look_at_slots(const struct look *look) REQUIRES(look->upstream->lock) {
    struct view view = {.until = USEC_NEVER};

    for (size_t i = 0; i < look->upstream->roster.n; i++)
        look_at_slot(look, look->tries->n == 0, &look->upstream->roster.slots[i], &view);
    view.listed = view.n;
    return view;
}

static struct view look_at_group(const struct look *look, bool first, const struct group *group)
    REQUIRES(look->upstream->lock) {
    const struct groups *groups = look->upstream->roster.groups;
    struct view view = {.until = USEC_NEVER};

    for (size_t i = 0; i < group->n; i++)
        look_at_slot(look, first, &groups->slots[group->first + i], &view);
    view.listed = view.n;
    return view;
}

/* As a search sees it that has tried none, whoever searches. Unchecked, since clang does not see
 * that all.upstream is look->upstream. */
static struct view look_for_all(const struct look *look, const struct group *group) UNCHECKED {
    const struct look all = {.upstream = look->upstream, .tries = look->tries, .now = look->now};

    return look_at_group(&all, true, group);
}

/* By the candidates listed last. Where the fewest connections win, only those count. */
static void sum_up_group(const struct upstream *upstream, struct group *group)
    REQUIRES(upstream->lock) {
    const struct roster *roster = &upstream->roster;
    bool by_load = is_by_load(upstream),
         fewest = by_load && upstream->config->balance != BALANCE_random_two;
    const struct candidate *least[2] = {NULL};

    group->sums[0] = group->sums[1] = (struct group_sum){0};
    for (size_t i = 0; i < group->view.listed; i++) {
        const struct candidate *one = &roster->candidates[i];
        bool failing = by_load && member_is_failing(roster->candidate_slots[i]->member);
        struct group_sum *sum = &group->sums[failing];

        if (fewest && least[failing] != NULL && balance_less_busy(least[failing], one))
            continue;
        if (fewest && (least[failing] == NULL || balance_less_busy(one, least[failing]))) {
            *sum = (struct group_sum){0};
            least[failing] = one;
        }
        sum->weight += one->weight;
        sum->live += one->live;
    }
}

/* All groups, as a search sees them that has tried none. */
static struct view look_at_groups(const struct look *look) REQUIRES(look->upstream->lock) {
    struct groups *groups = look->upstream->roster.groups;
    struct view view = {.until = USEC_NEVER};

    groups_follow_orders(groups);
    for (unsigned i = 0; i < MEMBER_CELLS; i++) {
        struct group *group = &groups->list[i];
        const struct view *part = &group->view;
        uint64_t changes = member_changes(i);

        if (group->n > 0 && (group->seen != changes || look->now >= part->until)) {
            group->seen = changes;
            group->view = look_for_all(look, group);
            sum_up_group(look->upstream, group);
        }
        view_add(&view, part);
    }
    return view;
}

/* Some candidates fail, and a balance by connections would always choose them, since they have
 * none. They get their share by chance instead. */
static bool is_mixed(const struct upstream *upstream, const struct view *view) {
    return is_by_load(upstream) && view->failing > 0 && view->failing < view->n;
}

static void draw_kind(struct upstream *upstream, struct view *view) REQUIRES(upstream->lock) {
    if (is_mixed(upstream, view))
        view->by_chance =
            balance_next_random(&upstream->random) % (view->weight[0] + view->weight[1]) <
            view->weight[1];
}

/* Lists groups as candidates; returns how many. */
static size_t list_groups(struct upstream *upstream, const struct view *view)
    REQUIRES(upstream->lock) {
    struct roster *roster = &upstream->roster;
    bool failing =
        is_mixed(upstream, view) ? view->by_chance : is_by_load(upstream) && view->failing > 0;
    uint64_t most = 0;
    size_t n = 0;

    for (unsigned i = 0; i < MEMBER_CELLS; i++) {
        struct group *group = &roster->groups->list[i];
        const struct group_sum *sum = &group->sums[failing];

        if (group->view.n == 0 || group->view.least > view->least || sum->weight == 0)
            continue;
        most = sum->weight > most ? sum->weight : most;
        roster->candidates[n++] = (struct candidate){
            .id = i, .weight = sum->weight, .live = sum->live, .credit = &group->credit};
    }
    for (; most >= WEIGHT_MOST; most >>= 1)
        for (size_t i = 0; i < n; i++)
            roster->candidates[i].weight = (roster->candidates[i].weight + 1) / 2;
    return n;
}

/* The index of one of the first n listed. */
static size_t balance_listed(struct upstream *upstream, const struct tries *tries,
                             const struct view *view, size_t n) REQUIRES(upstream->lock) {
    const struct candidate *list = upstream->roster.candidates;
    struct balance_hint hint = {.client = tries->client, .random = &upstream->random};

    if (n == 1)
        return 0;
    return view->by_chance ? balance_draw(list, n, n, hint.random)
                           : balance_fns[upstream->config->balance](list, n, &hint);
}

/* Lists the candidates of one group. False: all must be looked at; for a search that has tried
 * some, unless the group has a member of the best key. */
static bool list_group(const struct look *look, struct view *view) REQUIRES(look->upstream->lock) {
    struct roster *roster = &look->upstream->roster;
    bool first = look->tries->n == 0;

    draw_kind(look->upstream, view);
    size_t n = list_groups(look->upstream, view);
    if (n == 0)
        return false;
    uint64_t chosen = roster->candidates[balance_listed(look->upstream, look->tries, view, n)].id;
    struct view part = look_at_group(look, first, &roster->groups->list[chosen]);
    if (part.n == 0 || part.least != (first ? view->least : 0))
        return false; /* (dials end without the lock: something may have changed since) */
    if (first) {
        view->listed = part.listed;
    } else {
        part.other += view->n;
        part.cut_off = view->cut_off;
        *view = part;
    }
    return true;
}

/* source_hash: lists the best of all for this client. False: it cannot be had, or may not be the
 * best. */
static bool list_steady_candidates(const struct look *look, struct view *view)
    REQUIRES(look->upstream->lock) {
    const struct groups *groups = look->upstream->roster.groups;
    struct balance_hint hint = {.client = look->tries->client, .random = &look->upstream->random};

    if (look->tries->n > 0 || view->ramps || view->least > 0 || groups->n_steady == 0)
        return false;
    size_t best = balance_source_hash(groups->steady, groups->n_steady, &hint);
    struct view part = {.until = USEC_NEVER};
    look_at_slot(look, true, groups->steady_slots[best], &part);
    view->listed = part.n;
    return part.n > 0;
}

static bool view_is_of_groups(const struct look *look, struct view *view)
    REQUIRES(look->upstream->lock) {
    const struct upstream *upstream = look->upstream;

    if (upstream->roster.groups == NULL || upstream->retired)
        return false;
    *view = look_at_groups(look);
    if (view->used + view->full == 0)
        view->n = 0;
    if (view->n == 0)
        return look->tries->n == 0;
    return upstream->config->balance == BALANCE_source_hash ? list_steady_candidates(look, view)
                                                            : list_group(look, view);
}

/* Unchecked, since clang does not see that look.upstream is upstream. */
struct view candidates_list(struct upstream *upstream, const struct tries *tries,
                            usec_t now) UNCHECKED {
    const struct look look = {
        .upstream = upstream, .tries = tries, .held = tries->held, .now = now};
    struct view view = look_at_slots(&look);

    if (view.used + view.full == 0)
        view.n = 0; /* none to go to after a test */
    return view;
}

/* Unchecked likewise. */
struct view candidates_gather(struct upstream *upstream, const struct tries *tries,
                              usec_t now) UNCHECKED {
    const struct look look = {
        .upstream = upstream, .tries = tries, .held = tries->held, .now = now};
    struct view view;

    if (!view_is_of_groups(&look, &view)) {
        view = candidates_list(upstream, tries, now);
        draw_kind(upstream, &view);
    }
    return view;
}

/* Keeps those of the drawn kind in the list; returns how many. */
static size_t keep_drawn(struct roster *roster, const struct view *view) {
    size_t n = 0;

    for (size_t i = 0; i < view->listed; i++) {
        const struct slot *slot = roster->candidate_slots[i];

        if (member_is_failing(slot->member) != view->by_chance)
            continue;
        roster->candidates[n] = roster->candidates[i];
        roster->candidate_slots[n++] = slot;
    }
    return n > 0 ? n : 1; /* (dials end without the lock: all may have begun to fail since) */
}

const struct slot *candidates_choose(struct upstream *upstream, const struct tries *tries,
                                     const struct view *view) {
    struct roster *roster = &upstream->roster;
    size_t n = is_mixed(upstream, view) ? keep_drawn(roster, view) : view->listed;

    return roster->candidate_slots[balance_listed(upstream, tries, view, n)];
}
