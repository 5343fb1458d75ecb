/* standing_note: what is known of a member decides when it is asked (enum member_standing).
 *
 * The first dial goes by `balance` among all that are in use. If it goes to one of which less good is known than of
 * another that can be had, it is a test: hurried, made by one connection at a time for each member, and it costs no
 * attempt. So a connection makes one test at most, and never as its last dial. After a failure the search goes by what
 * is known: to the proven, of whatever tier, then to the fresh, then to the failing. If nothing is left but members that
 * are left alone, one connection at a time asks these, and the others are refused: dead servers cannot take every
 * worker, and whoever comes after a server is back finds that out.
 *
 * hurry_note: in the spirit of RFC 8305. While there is another member to try, a dial that is not answered within
 * HURRY goes on to that: a member that swallows packets, or a family of addresses that leads nowhere, so costs a new
 * connection HURRY and not connect_timeout, and only until max_fails such dials have it left alone. A member that
 * usually takes longer gets four times that. If nothing answers in a hurry, they are asked once more with patience. */
#include "upstream/choice.h"

#include <stdatomic.h>

#define HURRY       (250 * USEC_PER_MSEC)
#define HURRY_TIMES 4

/* For the last dial to one that is left alone but used to answer: TCP repeats a SYN after 1 s (RFC 6298, 2.1), and the
 * next connection may try again. */
#define RESORT_PATIENCE (1500 * USEC_PER_MSEC)

/* Whoever finds that one is probing waits for so long since that began: a server that refuses, or is back, says so in
 * less, unless it is far. */
#define PROBE_AWAITED (5 * USEC_PER_MSEC)

/* Parts of a key (key_of); tiers are below 2^17 (roster.c). */
#define KEY_BEHIND   ((uint64_t)1 << 17)
#define KEY_STANDING 18

#define RAMP_LEAST 10 /* slow_start begins at a tenth of the weight */

/* Only proportions matter; this leaves room for the ramp. A weight is at most 1,000 times the 65,535 of an SRV record, and
 * this times that is below 2^36 (struct candidate). */
#define WEIGHT_SCALE 1000

static bool was_tried(const struct search *search, const struct member *member) {
    for (size_t i = 0; i < search->n_tried; i++)
        if (search->tried[i].member == member)
            return true;
    return false;
}

/* By the configuration that is in force, as far as it has the server, also for those who came under an earlier one. */
static bool is_full(const struct upstream *upstream, const struct slot *slot)
    REQUIRES(upstream->lock) {
    int64_t most = upstream->retired
                       ? atomic_load_explicit(&slot->member->most, memory_order_relaxed)
                       : slot->server->config->max_connections;

    return most > 0 &&
           atomic_load_explicit(&slot->member->live, memory_order_relaxed) >= (size_t)most;
}

/* The share that it is to have now (slow_start). */
static uint64_t weight_now(const struct slot *slot, usec_t slow_start, usec_t now) {
    usec_t since = atomic_load_explicit(&slot->member->back_since, memory_order_relaxed);
    uint64_t weight = slot->weight * WEIGHT_SCALE;

    if (slow_start == 0 || since == 0 || now - since >= slow_start)
        return weight;
    usec_t least = slow_start / RAMP_LEAST, risen = now - since > least ? now - since : least;
    uint64_t ramped =
        weight * (uint64_t)(risen / USEC_PER_MSEC) / ((uint64_t)(slow_start / USEC_PER_MSEC) + 1);
    return ramped > 0 ? ramped : 1;
}

/* What the members are to this search. */
struct view {
    size_t n;                   /* candidates: of the lowest key */
    size_t failing;             /* of the candidates, members with failures */
    size_t other;               /* that can be had, too, but are no candidates */
    size_t full;                /* that cannot: they have max_connections */
    size_t proven, sound, used; /* that can be had: proven; these and fresh; these and failing */
};

/* The lower, the sooner. */
static uint64_t key_of(const struct search *search, const struct slot *slot,
                       enum member_standing standing) {
    const struct upstream_config *config = search->upstream->config;
    const struct member *member = slot->member;

    if (search->n_tried == 0) {
        bool tested = standing != MEMBER_PROVEN && config->balance != BALANCE_source_hash &&
                      atomic_load_explicit(&member->probed, memory_order_relaxed);
        return slot->tier + (tested ? KEY_BEHIND : 0);
    }
    /* Two or more have failed, and this is the last attempt: rather one of a tier that shares less with them. */
    bool elsewhere = search->left == 0 && config->connect_attempts > 2;
    bool behind = elsewhere && slot->tier <= search->tier;
    return ((uint64_t)standing << KEY_STANDING) + (behind ? KEY_BEHIND : 0) + slot->tier;
}

static bool is_asked_for(const struct search *search, const struct slot *slot,
                         enum member_standing standing) {
    enum member_standing worst = search->n_tried == 0 ? MEMBER_DUE : MEMBER_FAILING;

    return slot->weight > 0 && standing <= worst && !was_tried(search, slot->member);
}

static void add_candidate(struct upstream *upstream, size_t i, usec_t now, struct view *view)
    REQUIRES(upstream->lock) {
    struct roster *roster = &upstream->roster;
    const struct slot *slot = &roster->slots[i];

    roster->candidate_slots[view->n] = i;
    roster->candidates[view->n++] = (struct candidate){
        .id = slot->member->id,
        .weight = weight_now(slot, upstream->config->slow_start, now),
        .live = atomic_load_explicit(&slot->member->live, memory_order_relaxed),
        .credit = &slot->member->credit,
    };
    view->failing += member_is_failing(slot->member);
}

/* Fills in the candidates (standing_note). Those that are left alone are none. */
static struct view gather(struct search *search, usec_t now) REQUIRES(search->upstream->lock) {
    struct roster *roster = &search->upstream->roster;
    struct view view = {0};
    uint64_t least = 0;

    for (size_t i = 0; i < roster->n; i++) {
        struct slot *slot = &roster->slots[i];
        enum member_standing standing = member_standing(slot->member, now);

        search->cut_off |= standing == MEMBER_CUT_OFF;
        if (!is_asked_for(search, slot, standing))
            continue;
        if (is_full(search->upstream, slot)) {
            view.full += standing < MEMBER_DUE;
            continue;
        }
        view.proven += standing == MEMBER_PROVEN;
        view.sound += standing <= MEMBER_FRESH;
        view.used += standing < MEMBER_DUE;
        uint64_t key = key_of(search, slot, standing);
        if (view.n > 0 && key > least) {
            view.other++;
            continue;
        }
        if (view.n > 0 && key < least) {
            view.other += view.n;
            view.n = view.failing = 0;
        }
        least = key;
        add_candidate(search->upstream, i, now, &view);
    }
    if (view.used + view.full == 0)
        view.n = 0; /* there is nothing to go to after a test */
    return view;
}

static struct member *candidate_member(const struct roster *roster, size_t i) {
    return roster->slots[roster->candidate_slots[i]].member;
}

/* Who goes by the number of connections would always choose a member that fails, since it has none. Such a one gets its
 * share by chance instead: it is the only candidate then, or none. */
static void draw_failing(struct search *search, struct view *view)
    REQUIRES(search->upstream->lock) {
    struct roster *roster = &search->upstream->roster;
    size_t n = 0,
           drawn = balance_draw(roster->candidates, view->n, view->n, &search->upstream->random);
    bool failing = member_is_failing(candidate_member(roster, drawn));

    for (size_t i = 0; i < view->n; i++) {
        if (failing ? i != drawn : member_is_failing(candidate_member(roster, i)))
            continue;
        roster->candidates[n] = roster->candidates[i];
        roster->candidate_slots[n++] = roster->candidate_slots[i];
    }
    view->other += view->n - n;
    view->n = n > 0 ? n : 1; /* (dials end without the lock: all may have begun to fail since) */
}

/* Chooses among the candidates; at least one is there. */
static const struct slot *choose(struct search *search, struct view *view)
    REQUIRES(search->upstream->lock) {
    struct roster *roster = &search->upstream->roster;
    enum balance balance = (enum balance)search->upstream->config->balance;
    struct balance_hint hint = {.client = search->client, .random = &search->upstream->random};
    bool by_load = balance == BALANCE_least_connections || balance == BALANCE_random_two;

    if (by_load && view->failing > 0 && view->failing < view->n)
        draw_failing(search, view);
    size_t chosen = view->n == 1 ? 0 : balance_fns[balance](roster->candidates, view->n, &hint);
    return &roster->slots[roster->candidate_slots[chosen]];
}

/* hurry_note: one that did not answer in a hurry, once more. Of those that are left alone only by whoever probes. */
static struct member *ask_again(struct search *search, bool only_proven, usec_t now)
    REQUIRES(search->upstream->lock) {
    struct roster *roster = &search->upstream->roster;

    for (size_t i = 0; i < search->n_tried; i++) {
        struct search_tried *tried = &search->tried[i];

        if (!tried->hurried || (only_proven && !tried->proven))
            continue;
        for (size_t k = 0; k < roster->n; k++) {
            struct member *member = roster->slots[k].member;

            if (member != tried->member || is_full(search->upstream, &roster->slots[k]) ||
                member_standing(member, now) > (search->probes ? MEMBER_OUT : MEMBER_FAILING))
                continue;
            tried->hurried = false;
            return member;
        }
    }
    return NULL;
}

static bool any_hurried(const struct search *search) {
    for (size_t i = 0; i < search->n_tried; i++)
        if (search->tried[i].hurried)
            return true;
    return false;
}

/* HURRY_TIMES what it usually takes, at least `least` and at most `most`. */
static usec_t span_for(const struct member *member, usec_t least, usec_t most) {
    usec_t span = HURRY_TIMES * atomic_load_explicit(&member->usual_dial, memory_order_relaxed);

    span = span > least ? span : least;
    return span < most ? span : most;
}

static enum search_outcome nothing(const struct search *search, const struct view *view)
    REQUIRES(search->upstream->lock) {
    if (view->full > 0)
        return SEARCH_FULL;
    if (search->n_tried > 0)
        return SEARCH_OVER;
    return search->upstream->roster.n == 0 ? SEARCH_NO_NAME : SEARCH_DOWN;
}

static void note_tried(struct search *search, const struct member *member, bool hurried) {
    if (search->n_tried < SEARCH_MOST)
        search->tried[search->n_tried++] = (struct search_tried){
            .member = member, .hurried = hurried, .proven = member_is_proven(member)};
}

/* Of those that are left alone the one that has been for longest, in whatever tier. *ret_more: there are others. */
static struct member *longest_out(const struct search *search, usec_t now, bool *ret_more)
    REQUIRES(search->upstream->lock) {
    const struct roster *roster = &search->upstream->roster;
    struct member *longest = NULL;

    for (size_t i = 0; i < roster->n; i++) {
        const struct slot *slot = &roster->slots[i];
        struct member *member = slot->member;
        enum member_standing standing = member_standing(member, now);

        if (slot->weight == 0 || (standing != MEMBER_DUE && standing != MEMBER_OUT) ||
            atomic_load(&member->probed) || is_full(search->upstream, slot) ||
            was_tried(search, member))
            continue;
        *ret_more = longest != NULL;
        if (longest == NULL || atomic_load(&member->out_until) < atomic_load(&longest->out_until))
            longest = member;
    }
    return longest;
}

/* All are left alone: one connection at a time tries them. */
static struct member *probe_any(struct search *search, usec_t now, usec_t *timeout)
    REQUIRES(search->upstream->lock) {
    struct upstream *upstream = search->upstream;
    bool more = false;

    if (upstream->probed != 0 && !search->probes)
        return NULL;
    struct member *member = longest_out(search, now, &more);
    if (member == NULL && !any_hurried(search))
        return NULL;
    search->probes = true;
    upstream->probed = clock_now();
    if (member == NULL)
        return ask_again(search, false, now);
    usec_t patience = *timeout;
    if (search->left > 0 && more)
        *timeout = span_for(member, HURRY, patience);
    else if (atomic_load_explicit(&member->usual_dial, memory_order_relaxed) != 0)
        *timeout = span_for(member, RESORT_PATIENCE, patience);
    (void)member_claim_probe(member);
    note_tried(search, member, search->left > 0 && more);
    return member;
}

static void cost_nothing(struct search *search) {
    search->free = true;
    search->left++;
}

/* There is nothing else: one that is cut off. If it still is, the dial is over at once, and no attempt. */
static struct member *try_cut_off(struct search *search, usec_t now, usec_t *timeout)
    REQUIRES(search->upstream->lock) {
    const struct roster *roster = &search->upstream->roster;
    struct member *first = NULL;
    bool more = false;

    for (size_t i = 0; i < roster->n && !more && search->n_tried < SEARCH_MOST; i++) {
        const struct slot *slot = &roster->slots[i];

        if (slot->weight == 0 || member_standing(slot->member, now) != MEMBER_CUT_OFF ||
            is_full(search->upstream, slot) || was_tried(search, slot->member))
            continue;
        more = first != NULL;
        first = first != NULL ? first : slot->member;
    }
    if (first == NULL)
        return NULL;
    usec_t patience = *timeout;
    if (search->left > 0 && more)
        *timeout = span_for(first, HURRY, patience);
    note_tried(search, first, *timeout < patience);
    return first;
}

/* One that is in use, or due for its test. */
static struct member *pick(struct search *search, struct view *view, usec_t now, usec_t *timeout)
    REQUIRES(search->upstream->lock) {
    const struct slot *slot = choose(search, view);
    struct member *member = slot->member;
    enum member_standing standing = member_standing(member, now);
    usec_t patience = *timeout;
    bool worse = standing >= MEMBER_DUE || (standing == MEMBER_FAILING && view->sound > 0) ||
                 (standing == MEMBER_FRESH && view->proven > 0);
    bool is_test = worse && search->n_tried == 0;

    if (is_test) {
        (void)member_claim_probe(member); /* nobody else picks here meanwhile */
        cost_nothing(search);
    }
    if (is_test || (search->left > 0 && (view->n + view->other > 1 || any_hurried(search))))
        *timeout = span_for(member, HURRY, patience);
    if (slot->tier > search->tier)
        search->tier = slot->tier;
    note_tried(search, member, *timeout < patience);
    return member;
}

/* One that can be asked now, or NULL and why there is none. */
static struct member *find(struct search *search, usec_t *timeout, enum search_outcome *why)
    REQUIRES(search->upstream->lock) {
    usec_t now = clock_coarse();
    struct view view = gather(search, now);
    struct member *member = NULL;

    if (search->upstream->cancelled) {
        *why = SEARCH_STOPPED;
        return NULL;
    }
    if (search->left == 0 && view.proven == 0)
        member = ask_again(search, true, now);
    if (member == NULL && view.n > 0)
        member = pick(search, &view, now, timeout);
    if (member == NULL)
        member = ask_again(search, false, now);
    if (member == NULL && view.full == 0)
        member = probe_any(search, now, timeout);
    if (member == NULL && view.full == 0 && (search->upstream->probed == 0 || search->probes))
        member = try_cut_off(search, now, timeout);
    if (member == NULL)
        *why = nothing(search, &view);
    return member;
}

/* Waits a moment for another connection's probe. False: it goes on. */
static bool await_probe(struct upstream *upstream) REQUIRES(upstream->lock) {
    usec_t began = upstream->probed;
    bool in_time = true;

    while (in_time && upstream->probed == began && !upstream->cancelled)
        in_time = cond_wait_until(&upstream->answered, &upstream->lock, began + PROBE_AWAITED);
    return in_time;
}

struct member *choice_find(struct search *search, usec_t *timeout, enum search_outcome *why) {
    struct member *member = find(search, timeout, why);

    while (member == NULL && (*why == SEARCH_DOWN || *why == SEARCH_OVER) && !search->probes &&
           search->upstream->probed != 0 && await_probe(search->upstream))
        member = find(search, timeout, why);
    if (member != NULL)
        member_enter(member);
    return member;
}
