/* standing_note: what is known of a member decides when it is asked (enum member_standing).
 *
 * The first dial goes by `balance` among all that are in use. If less good is known of the chosen
 * one than of others, it is a test: hurried, by one connection at a time for each member, and no
 * attempt. So a connection makes one test at most, and never as its last dial. After a failure the
 * search goes by what is known: to the proven, of whatever tier, then to the fresh, then to the
 * failing. If all are left alone, one connection at a time asks these, and the others are refused:
 * dead servers do not take every worker, and a server that is back is found by the next connection.
 *
 * hurry_note: in the spirit of RFC 8305. While there is another member to try, a dial goes on to
 * that after HURRY without an answer. So a member that swallows packets, or a family that leads
 * nowhere, costs a connection HURRY, not connect_timeout, and that only until it is left alone
 * after max_fails. A member that usually takes longer gets four times that. If none answers in a
 * hurry, they are asked once more with patience. */
#include "upstream/search.h"

#include <stdatomic.h>

#include "upstream/candidates.h"
#include "upstream/reach.h"

#define HURRY       (250 * USEC_PER_MSEC)
#define HURRY_TIMES 4

/* The last dial, to one left alone that used to answer: TCP repeats a SYN after 1 s (RFC 6298,
 * 2.1), and the next connection may try again. */
#define RESORT_PATIENCE (1500 * USEC_PER_MSEC)

/* From the begin of another's probe: a server that refuses, or is back, answers sooner, unless it
 * is far. */
#define PROBE_AWAITED (5 * USEC_PER_MSEC)

/* hurry_note: asks one again that did not answer in a hurry; of those left alone only in a
 * probe. */
static const struct slot *ask_again(struct search *search, bool only_proven, usec_t now)
    REQUIRES(search->upstream->lock) {
    struct roster *roster = &search->upstream->roster;

    for (size_t i = 0; i < search->tries.n; i++) {
        struct tried *tried = &search->tries.list[i];

        if (!tried->hurried || (only_proven && !tried->proven))
            continue;
        for (size_t k = 0; k < roster->n; k++) {
            const struct slot *slot = &roster->slots[k];

            if (slot->member != tried->member || slot_weight(slot) == 0 ||
                slot_is_full(slot, search->upstream->retired) ||
                member_standing(slot->member, now) > (search->probes ? MEMBER_OUT : MEMBER_FAILING))
                continue;
            tried->hurried = false;
            return slot;
        }
    }
    return NULL;
}

/* HURRY_TIMES what it usually takes, at least `least` and at most `most`. */
static usec_t span_for(const struct member *member, usec_t least, usec_t most) {
    usec_t span = HURRY_TIMES * atomic_load_explicit(&member->usual_dial, memory_order_relaxed);

    span = span > least ? span : least;
    return span < most ? span : most;
}

/* Not if all that could be chosen are names without an address. */
static bool any_can_serve(const struct roster *roster) {
    for (size_t i = 0; i < roster->n; i++)
        if (slot_weight(&roster->slots[i]) > 0)
            return true;
    return false;
}

static enum search_outcome outcome_of_none(const struct search *search, const struct view *view)
    REQUIRES(search->upstream->lock) {
    if (view->full > 0)
        return SEARCH_FULL;
    if (search->tries.n > 0)
        return SEARCH_OVER;
    if (upstream_is_drained(search->upstream))
        return SEARCH_DRAINED;
    return any_can_serve(&search->upstream->roster) ? SEARCH_DOWN : SEARCH_NO_NAME;
}

/* The one left alone for longest, in whatever tier. *ret_more: there are others. */
static const struct slot *longest_out(const struct search *search, usec_t now, bool *ret_more)
    REQUIRES(search->upstream->lock) {
    const struct roster *roster = &search->upstream->roster;
    const struct slot *longest = NULL;

    for (size_t i = 0; i < roster->n; i++) {
        const struct slot *slot = &roster->slots[i];
        const struct member *member = slot->member;
        enum member_standing standing = member_standing(member, now);

        if (slot_weight(slot) == 0 || (standing != MEMBER_DUE && standing != MEMBER_OUT) ||
            atomic_load(&member->probed) || slot_is_full(slot, search->upstream->retired) ||
            tries_include(&search->tries, member))
            continue;
        *ret_more = longest != NULL;
        if (longest == NULL ||
            atomic_load(&member->out_until) < atomic_load(&longest->member->out_until))
            longest = slot;
    }
    return longest;
}

/* All are left alone: one connection at a time tries them. */
static const struct slot *probe_any(struct search *search, usec_t now, usec_t *timeout)
    REQUIRES(search->upstream->lock) {
    struct upstream *upstream = search->upstream;
    bool more = false;

    if (upstream->probed != 0 && !search->probes)
        return NULL;
    const struct slot *slot = longest_out(search, now, &more);
    if (slot == NULL && !tries_any_hurried(&search->tries))
        return NULL;
    search->probes = true;
    upstream->probed = clock_now();
    if (slot == NULL)
        return ask_again(search, false, now);
    struct member *member = slot->member;
    usec_t patience = *timeout;
    if (search->tries.left > 0 && more)
        *timeout = span_for(member, HURRY, patience);
    else if (atomic_load_explicit(&member->usual_dial, memory_order_relaxed) != 0)
        *timeout = span_for(member, RESORT_PATIENCE, patience);
    (void)member_claim_probe(member);
    tries_note(&search->tries, member, search->tries.left > 0 && more);
    return slot;
}

static void cost_nothing(struct search *search) {
    search->free = true;
    search->tries.left++;
}

/* As a last resort one that is cut off. If it still is, the dial is over at once, and no
 * attempt. */
static const struct slot *try_cut_off(struct search *search, usec_t now, usec_t *timeout)
    REQUIRES(search->upstream->lock) {
    const struct roster *roster = &search->upstream->roster;
    const struct slot *first = NULL;
    bool more = false;

    for (size_t i = 0; i < roster->n && !more && search->tries.n < TRIES_MOST; i++) {
        const struct slot *slot = &roster->slots[i];

        if (slot_weight(slot) == 0 || member_standing(slot->member, now) != MEMBER_CUT_OFF ||
            slot_is_full(slot, search->upstream->retired) ||
            tries_include(&search->tries, slot->member))
            continue;
        more = first != NULL;
        first = first != NULL ? first : slot;
    }
    if (first == NULL)
        return NULL;
    usec_t patience = *timeout;
    if (search->tries.left > 0 && more)
        *timeout = span_for(first->member, HURRY, patience);
    tries_note(&search->tries, first->member, *timeout < patience);
    return first;
}

/* This one, in use or due for its test. */
static const struct slot *take_slot(struct search *search, const struct view *view,
                                    const struct slot *slot, usec_t now, usec_t *timeout)
    REQUIRES(search->upstream->lock) {
    struct member *member = slot->member;
    enum member_standing standing = member_standing(member, now);
    usec_t patience = *timeout;
    bool worse = standing >= MEMBER_DUE || (standing == MEMBER_FAILING && view->sound > 0) ||
                 (standing == MEMBER_FRESH && view->proven > 0);
    bool is_test = worse && search->tries.n == 0;

    if (is_test) {
        (void)member_claim_probe(member); /* nobody else picks here meanwhile */
        cost_nothing(search);
    }
    if (is_test || (search->tries.left > 0 &&
                    (view->n + view->other > 1 || tries_any_hurried(&search->tries))))
        *timeout = span_for(member, HURRY, patience);
    if (slot->tier > search->tries.tier)
        search->tries.tier = slot->tier;
    tries_note(&search->tries, member, *timeout < patience);
    return slot;
}

/* The first, chosen before, unless it can no longer be had, or another connection tests it. */
static const struct slot *find_wanted(const struct search *search, usec_t now)
    REQUIRES(search->upstream->lock) {
    const struct roster *roster = &search->upstream->roster;

    for (size_t i = 0; search->wanted != NULL && search->tries.n == 0 && i < roster->n; i++) {
        const struct slot *slot = &roster->slots[i];

        if (slot->member == search->wanted)
            return slot_weight(slot) == 0 || slot_is_full(slot, search->upstream->retired) ||
                           member_standing(slot->member, now) > MEMBER_DUE ||
                           atomic_load(&slot->member->probed)
                       ? NULL
                       : slot;
    }
    return NULL;
}

/* One to ask now, or NULL and why. */
static const struct slot *find_server(struct search *search, usec_t *timeout,
                                      enum search_outcome *why) REQUIRES(search->upstream->lock) {
    usec_t now = clock_coarse();
    const struct slot *wanted = find_wanted(search, now), *slot = NULL;
    struct view view = wanted != NULL ? candidates_list(search->upstream, &search->tries, now)
                                      : candidates_gather(search->upstream, &search->tries, now);

    search->cut_off |= view.cut_off;
    if (search->upstream->cancelled) {
        *why = SEARCH_STOPPED;
        return NULL;
    }
    if (search->tries.left == 0 && view.proven == 0)
        slot = ask_again(search, true, now);
    if (slot == NULL && (wanted != NULL || view.n > 0))
        slot = take_slot(
            search, &view,
            wanted != NULL ? wanted : candidates_choose(search->upstream, &search->tries, &view),
            now, timeout);
    if (slot == NULL)
        slot = ask_again(search, false, now);
    if (slot == NULL && view.full == 0 &&
        (view.left_alone > 0 || tries_any_hurried(&search->tries)))
        slot = probe_any(search, now, timeout);
    if (slot == NULL && view.full == 0 && view.cut_off &&
        (search->upstream->probed == 0 || search->probes))
        slot = try_cut_off(search, now, timeout);
    if (slot == NULL)
        *why = outcome_of_none(search, &view);
    return slot;
}

/* Waits a moment for another connection's probe. False: it goes on. */
static bool await_probe(struct upstream *upstream) REQUIRES(upstream->lock) {
    usec_t began = upstream->probed;
    bool in_time = true;

    while (in_time && upstream->probed == began && !upstream->cancelled)
        in_time = cond_wait_until(&upstream->answered, &upstream->lock, began + PROBE_AWAITED);
    return in_time;
}

/* The same; if there is none, once another connection's probe has told. */
static const struct slot *find_after_probe(struct search *search, usec_t *timeout,
                                           enum search_outcome *why)
    REQUIRES(search->upstream->lock) {
    const struct slot *slot = find_server(search, timeout, why);

    while (slot == NULL && (*why == SEARCH_DOWN || *why == SEARCH_OVER) && !search->probes &&
           search->upstream->probed != 0 && await_probe(search->upstream))
        slot = find_server(search, timeout, why);
    return slot;
}

/* Others may try those left alone. */
static void give_probe_up(struct search *search) REQUIRES(search->upstream->lock) {
    if (!search->probes)
        return;
    search->probes = false;
    search->upstream->probed = 0;
    cond_broadcast(&search->upstream->answered);
}

void search_end(struct search *search) {
    if (!search->probes)
        return;
    lock_acquire(&search->upstream->lock);
    give_probe_up(search);
    lock_release(&search->upstream->lock);
}

/* Waits for news of names, beyond these answers, while some are looked up for the first time.
 * False: there will be none, or its time is up. */
static bool await_name_news(struct search *search, unsigned answers)
    REQUIRES(search->upstream->lock) {
    struct upstream *upstream = search->upstream;
    bool in_time = true;

    if (!upstream_awaits_names(search->upstream))
        return upstream->n_answers != answers;
    if (search->until == 0) {
        search->until = clock_now() + upstream->config->connect_timeout;
        if (search->on_wait != NULL) {
            lock_release(&search->upstream->lock);
            search->on_wait(search->arg);
            lock_acquire(&search->upstream->lock);
        }
    }
    while (upstream->n_answers == answers && !upstream->cancelled && in_time)
        in_time = cond_wait_until(&upstream->answered, &search->upstream->lock, search->until);
    return in_time;
}

/* Names that are still looked up may bring something better. */
static bool may_find_more(enum search_outcome outcome) {
    return outcome == SEARCH_NO_NAME || outcome == SEARCH_OVER || outcome == SEARCH_DOWN;
}

static struct member *find_member(struct search *search, usec_t *timeout,
                                  enum search_outcome *outcome) REQUIRES(search->upstream->lock) {
    const struct slot *slot;
    unsigned answers;

    do {
        answers = search->upstream->n_answers;
        slot = find_after_probe(search, timeout, outcome);
        if (slot != NULL || !may_find_more(*outcome))
            break;
        give_probe_up(search);
    } while (await_name_news(search, answers));
    if (slot == NULL)
        return NULL;
    search->server = slot->server->config;
    member_enter(slot->member);
    return slot->member;
}

enum search_outcome search_next(struct search *search, struct member **ret_member,
                                usec_t *ret_timeout) {
    usec_t timeout = search->upstream->config->connect_timeout;
    enum search_outcome outcome = SEARCH_FOUND;

    if (search->tries.left <= 0)
        return SEARCH_OVER;
    search->tries.left--;
    search->free = false;
    lock_acquire(&search->upstream->lock);
    struct member *member = find_member(search, &timeout, &outcome);
    lock_release(&search->upstream->lock);
    if (search->cut_off)
        reach_review(search->upstream, NULL);
    if (member == NULL)
        return outcome;
    *ret_member = member;
    *ret_timeout = timeout;
    return SEARCH_FOUND;
}

size_t search_look(struct upstream *upstream, const struct addr *client, struct member **ret_list,
                   size_t most, enum search_outcome *ret_none) {
    struct search search;

    search_begin(&search, upstream, client);
    search.tries.left--;
    lock_acquire(&search.upstream->lock);
    struct view view = candidates_list(search.upstream, &search.tries, clock_coarse());
    size_t n = view.n;
    if (n == 0) {
        *ret_none = outcome_of_none(&search, &view);
    } else if (upstream->config->balance == BALANCE_source_hash) {
        n = 1;
        ret_list[0] = member_ref(candidates_choose(search.upstream, &search.tries, &view)->member);
    } else {
        for (size_t i = 0; i < n && i < most; i++)
            ret_list[i] = member_ref(search.upstream->roster.candidate_slots[i]->member);
    }
    lock_release(&search.upstream->lock);
    return n;
}
