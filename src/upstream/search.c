/* hurry_note: in the spirit of RFC 8305. While there is another member to try, a dial that is not answered within
 * HURRY goes on to that: a member that swallows packets, or a family of addresses that leads nowhere, so costs a new
 * connection HURRY and not connect_timeout, and only until max_fails such dials have it left alone. A member that
 * usually takes longer gets four times that. If nothing answers in a hurry, they are asked once more with patience. */
#include "upstream/search.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"

#define HURRY       (250 * USEC_PER_MSEC)
#define HURRY_TIMES 4

#define RAMP_LEAST 10 /* slow_start begins at a tenth of the weight */

/* Only proportions matter; this leaves room for the ramp. A weight is at most 1,000 times the 65,535 of an SRV record, and
 * this times that is below 2^36 (struct candidate). */
#define WEIGHT_SCALE 1000

/* The address without its port. */
static uint64_t hash_client(const struct addr *client) {
    unsigned char bytes[16];

    return addr_ipv6_bytes(client, bytes) ? balance_hash(bytes, sizeof(bytes)) : 0;
}

void search_begin(struct search *search, struct upstream *upstream, const struct addr *client) {
    search->upstream = upstream;
    search->client = hash_client(client);
    search->left = upstream->config->connect_attempts;
    search->n_tried = 0;
}

static bool was_tried(const struct search *search, const struct member *member) {
    for (size_t i = 0; i < search->n_tried; i++)
        if (search->tried[i].member == member)
            return true;
    return false;
}

static bool is_full(const struct slot *slot) {
    int64_t most = slot->server->config->max_connections;

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
    size_t n;     /* candidates */
    size_t other; /* untried ones besides the candidates: in later tiers */
    size_t full;
};

/* Fills in the candidates: those of the lowest tier that has any that can be chosen now. resort: those that are
 * left alone, because there is nothing else. */
static struct view gather(struct search *search, bool resort, usec_t now)
    REQUIRES(search->upstream->lock) {
    struct roster *roster = &search->upstream->roster;
    usec_t slow_start = search->upstream->config->slow_start;
    struct view view = {0};
    unsigned tier = 0;

    for (size_t i = 0; i < roster->n; i++) {
        struct slot *slot = &roster->slots[i];
        enum member_state state = member_state(slot->member, now);
        bool ready = state == MEMBER_READY || state == MEMBER_PROBE;

        if (slot->weight == 0 || state == MEMBER_DOWN || ready == resort ||
            was_tried(search, slot->member))
            continue;
        if (is_full(slot)) {
            view.full++;
            continue;
        }
        if (view.n > 0 && slot->tier > tier) {
            view.other++;
            continue;
        }
        if (view.n > 0 && slot->tier < tier) {
            view.other += view.n;
            view.n = 0;
        }
        tier = slot->tier;
        roster->candidate_slots[view.n] = i;
        roster->candidates[view.n++] = (struct candidate){
            .id = slot->member->id,
            .weight = weight_now(slot, slow_start, now),
            .live = atomic_load_explicit(&slot->member->live, memory_order_relaxed),
            .credit = &roster->credits[i]};
    }
    return view;
}

/* Chooses among the candidates. One that was left alone goes to the first who claims the probe. */
static struct member *choose(struct search *search, size_t n, usec_t now)
    REQUIRES(search->upstream->lock) {
    struct upstream *upstream = search->upstream;
    struct roster *roster = &upstream->roster;
    struct balance_hint hint = {.client = search->client, .random = &upstream->random};
    size_t chosen =
        n == 1 ? 0 : balance_fns[upstream->config->balance](roster->candidates, n, &hint);
    struct member *member = roster->slots[roster->candidate_slots[chosen]].member;

    if (member_state(member, now) == MEMBER_PROBE)
        (void)member_claim_probe(
            member); /* nobody else picks here meanwhile: the upstream is locked */
    member_enter(member);
    return member;
}

/* hurry_note: those that did not answer in a hurry, once more. */
static struct member *ask_again(struct search *search) REQUIRES(search->upstream->lock) {
    struct roster *roster = &search->upstream->roster;

    for (size_t i = 0; i < search->n_tried; i++) {
        if (!search->tried[i].hurried)
            continue;
        search->tried[i].hurried = false;
        for (size_t k = 0; k < roster->n; k++) {
            if (roster->slots[k].member != search->tried[i].member || is_full(&roster->slots[k]))
                continue;
            member_enter(roster->slots[k].member);
            return roster->slots[k].member;
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

/* Waits until something is known of the addresses, or nothing will be. */
static void await_names(struct upstream *upstream) REQUIRES(upstream->lock) {
    usec_t deadline = clock_now() + upstream->config->connect_timeout;
    bool in_time = true;

    while (upstream->roster.n == 0 && upstream->n_awaited > 0 && !upstream->cancelled && in_time)
        in_time = cond_wait_until(&upstream->answered, &upstream->lock, deadline);
}

static usec_t hurry(const struct member *member, usec_t connect_timeout) {
    usec_t span = HURRY_TIMES * atomic_load_explicit(&member->usual_dial, memory_order_relaxed);

    span = span > HURRY ? span : HURRY;
    return span < connect_timeout ? span : connect_timeout;
}

static enum search_outcome nothing(const struct search *search, const struct view *view)
    REQUIRES(search->upstream->lock) {
    if (search->n_tried > 0)
        return SEARCH_OVER;
    if (view->full > 0)
        return SEARCH_FULL;
    return search->upstream->roster.n == 0 ? SEARCH_NO_NAME : SEARCH_DOWN;
}

static void note_tried(struct search *search, const struct member *member, bool hurried) {
    if (search->n_tried < SEARCH_MOST) {
        search->tried[search->n_tried].member = member;
        search->tried[search->n_tried++].hurried = hurried;
    }
}

/* The next member, counted in, or NULL and why there is none. */
static struct member *find(struct search *search, usec_t *timeout, enum search_outcome *why)
    REQUIRES(search->upstream->lock) {
    usec_t patience = *timeout, now = clock_coarse();
    struct view view = gather(search, false, now), last = view;
    struct member *member = NULL;

    if (search->upstream->cancelled) {
        *why = SEARCH_STOPPED;
        return NULL;
    }
    if (view.n == 0)
        last = gather(search, true, now); /* those that are left alone */
    if (last.n == 0) {
        member = ask_again(search);
        if (member == NULL)
            *why = nothing(search, &view);
        return member;
    }
    member = choose(search, last.n, now);
    if (search->left > 0 && (last.n + last.other > 1 || any_hurried(search)))
        *timeout = hurry(member, patience);
    note_tried(search, member, *timeout < patience);
    return member;
}

enum search_outcome search_next(struct search *search, struct member **ret_member,
                                usec_t *ret_timeout) {
    usec_t timeout = search->upstream->config->connect_timeout;
    enum search_outcome outcome = SEARCH_FOUND;

    if (search->left-- <= 0)
        return SEARCH_OVER;
    lock_acquire(&search->upstream->lock);
    if (search->n_tried == 0)
        await_names(search->upstream);
    struct member *member = find(search, &timeout, &outcome);
    lock_release(&search->upstream->lock);
    if (member != NULL) {
        *ret_member = member;
        *ret_timeout = timeout;
    }
    return outcome;
}

static void say(enum log_kind kind, struct search *search, const struct member *member,
                const char *what) {
    char text[MEMBER_TEXT_MAX];
    size_t all, up;

    upstream_count(search->upstream, &all, &up);
    log_msg(kind, "Server %s %s. %zu of %zu addresses of %s can be used.",
            member_format(member, text, sizeof(text)), what, up, all, member->upstream);
}

void search_succeeded(struct search *search, struct member *member, usec_t took) {
    struct upstream *upstream = search->upstream;

    if (member_dialled(member, took, clock_coarse()))
        say(MSG_SERVER_UP, search, member, "takes connections again");
    if (atomic_load_explicit(&upstream->unreachable, memory_order_relaxed))
        upstream_say_reachable(upstream);
}

void search_failed(struct search *search, struct member **member, bool timed_out) {
    const struct upstream_config *config = search->upstream->config;
    struct member *failed = *member;
    char what[128], span[32];

    /* Asked again, it is the last of what was tried no more: it is not asked a third time. */
    for (size_t i = 0; i < search->n_tried; i++)
        if (search->tried[i].member == failed && !timed_out)
            search->tried[i].hurried = false;
    if (member_failed(failed, config->max_fails, config->fail_timeout, clock_coarse())) {
        snprintf(what, sizeof(what), "is left alone for %s: %lld dials in a row %s",
                 text_format_duration(config->fail_timeout, span, sizeof(span)),
                 (long long)config->max_fails, timed_out ? "were not answered" : "failed");
        upstream_note_trouble(search->upstream, failed, what);
        say(MSG_SERVER_OUT, search, failed, what);
    }
    *member = NULL;
    member_leave(failed);
}

void search_not_asked(struct search *search, struct member **member) {
    (void)search;
    member_not_asked(*member);
    member_leave(*member);
    *member = NULL;
}

void search_gave_up(struct search *search) {
    size_t all, up;

    upstream_count(search->upstream, &all, &up);
    if (up == 0)
        upstream_say_unreachable(search->upstream);
}
