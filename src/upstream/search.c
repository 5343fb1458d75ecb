#include "upstream/search.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "upstream/choice.h"
#include "upstream/reach.h"

/* The address without its port. */
static uint64_t hash_client(const struct addr *client) {
    unsigned char bytes[16];

    return addr_ipv6_bytes(client, bytes) ? hash_bytes(bytes, sizeof(bytes)) : 0;
}

void search_begin(struct search *search, struct upstream *upstream, const struct addr *client) {
    search->upstream = upstream;
    search->on_wait = NULL;
    search->client = hash_client(client);
    search->left = upstream->config->connect_attempts;
    search->until = 0;
    search->n_tried = 0;
    search->tier = 0;
    search->probes = false;
    search->cut_off = false;
}

/* Others may find out about members that are left alone. */
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

/* Waits for news of names that are being looked up for the first time, since there were so many.
 * False: there will be none, or it has waited for too long. */
static bool await_name_news(struct search *search, unsigned answers)
    REQUIRES(search->upstream->lock) {
    struct upstream *upstream = search->upstream;
    bool in_time = true;

    if (upstream->n_coming == 0)
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

/* All that is known of has failed or cannot be asked: what is still being looked up may be
 * better. */
static bool may_find_more(enum search_outcome outcome) {
    return outcome == SEARCH_NO_NAME || outcome == SEARCH_OVER || outcome == SEARCH_DOWN;
}

static struct member *find_member(struct search *search, usec_t *timeout,
                                  enum search_outcome *outcome) REQUIRES(search->upstream->lock) {
    struct member *member;
    unsigned answers;

    do {
        answers = search->upstream->n_answers;
        member = choice_find(search, timeout, outcome);
        if (member != NULL || !may_find_more(*outcome))
            break;
        give_probe_up(search);
    } while (await_name_news(search, answers));
    return member;
}

enum search_outcome search_next(struct search *search, struct member **ret_member,
                                usec_t *ret_timeout) {
    usec_t timeout = search->upstream->config->connect_timeout;
    enum search_outcome outcome = SEARCH_FOUND;

    if (search->upstream->config->drained)
        return SEARCH_DRAINED;
    if (search->left <= 0)
        return SEARCH_OVER;
    search->left--;
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

static void log_member_change(enum log_kind kind, struct search *search,
                              const struct member *member, const char *what) {
    char text[MEMBER_TEXT_MAX];
    size_t all, up;

    upstream_count(search->upstream, &all, &up);
    log_msg(kind, "Server %s %s. %zu of %zu addresses of %s can be used.",
            member_format(member, text, sizeof(text)), what, up, all, member->upstream);
}

void search_succeeded(struct search *search, struct member *member, usec_t took) {
    struct upstream *upstream = search->upstream;

    if (member_dialled(member, took, clock_coarse()))
        log_member_change(MSG_SERVER_UP, search, member, "takes connections again");
    if (atomic_load_explicit(&member->cut_off, memory_order_relaxed) != 0)
        reach_review(upstream, member);
    upstream_say_reachable(upstream);
}

void search_failed(struct search *search, struct member **member, bool timed_out) {
    const struct upstream_config *config = search->upstream->config;
    struct member *failed = *member;
    char what[128], span[32];

    if (atomic_load_explicit(&failed->cut_off, memory_order_relaxed) != 0)
        reach_review(search->upstream, failed);
    /* Asked again, it is the last of what was tried no more: it is not asked a third time. */
    for (size_t i = 0; i < search->n_tried; i++)
        if (search->tried[i].member == failed && !timed_out)
            search->tried[i].hurried = false;
    if (member_failed(failed, config->max_fails, config->fail_timeout, clock_coarse())) {
        snprintf(what, sizeof(what), "is left alone for %s: %lld dials in a row %s",
                 text_format_duration(config->fail_timeout, span, sizeof(span)),
                 (long long)config->max_fails, timed_out ? "were not answered" : "failed");
        upstream_note_trouble(search->upstream, failed, what);
        log_member_change(MSG_SERVER_OUT, search, failed, what);
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

void search_cut_off(struct search *search, struct member **member, int error) {
    if (!search->free && search->n_tried < SEARCH_MOST)
        search->left++;
    reach_lost(search->upstream, *member, error);
    search_not_asked(search, member);
}

void search_gave_up(struct search *search) {
    size_t all, up;

    if (upstream_is_unreachable(search->upstream))
        return;
    upstream_count(search->upstream, &all, &up);
    if (up == 0)
        upstream_say_unreachable(search->upstream);
}
