#include "upstream/search.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "upstream/reach.h"

/* The address without its port. */
static uint64_t hash_client(const struct addr *client) {
    unsigned char bytes[16];

    return addr_ipv6_bytes(client, bytes) ? hash_bytes(bytes, sizeof(bytes)) : 0;
}

void search_begin(struct search *search, struct upstream *upstream, const struct addr *client) {
    search->upstream = upstream;
    search->on_wait = NULL;
    search->wanted = NULL;
    search->tries.client = hash_client(client);
    search->tries.held = NULL;
    search->tries.left = upstream->config->connect_attempts;
    search->until = 0;
    search->tries.n = 0;
    search->tries.tier = 0;
    search->probes = false;
    search->cut_off = false;
}

void search_shun(struct search *search, const struct member *member) {
    tries_note(&search->tries, member, true);
}

static void log_member_change(enum log_kind kind, struct search *search,
                              const struct member *member, const char *what) {
    struct member_fields fields;
    char text[MEMBER_TEXT_MAX];
    size_t all, up;

    upstream_count(search->upstream, &all, &up);
    log_msg_with(kind, member_fields(&fields, member, kind == MSG_SERVER_UP ? "up" : "left_alone"),
                 "Server %s %s. %zu of %zu addresses of %s are usable.",
                 member_format(member, text, sizeof(text)), what, up, all, member->upstream);
}

void search_succeeded(struct search *search, struct member *member, usec_t took) {
    struct upstream *upstream = search->upstream;

    histogram_add(&upstream->bulletin->dials, took);
    if (member_dialled(member, took, clock_coarse()))
        log_member_change(MSG_SERVER_UP, search, member, "takes connections again");
    if (atomic_load_explicit(&member->cut_off, memory_order_relaxed) != 0)
        reach_review(upstream, member);
    upstream_say_reachable(upstream);
}

void search_failed(struct search *search, struct member **member, int error) {
    bool timed_out = error == ETIMEDOUT;
    const struct upstream_config *config = search->upstream->config;
    struct member *failed = *member;
    char what[MEMBER_TROUBLE_MAX], span[32];

    atomic_store(&failed->dial_error, error);
    if (atomic_load_explicit(&failed->cut_off, memory_order_relaxed) != 0)
        reach_review(search->upstream, failed);
    /* Refused when asked again: not asked a third time. */
    for (size_t i = 0; i < search->tries.n; i++)
        if (search->tries.list[i].member == failed && !timed_out)
            search->tries.list[i].hurried = false;
    if (member_failed(failed, config->max_fails, config->fail_timeout, clock_coarse())) {
        snprintf(what, sizeof(what), "is taken out for %s: %lld attempts in a row %s%s",
                 text_format_duration(config->fail_timeout, span, sizeof(span)),
                 (long long)config->max_fails,
                 timed_out ? "were not answered" : "failed, the last one: ",
                 timed_out ? "" : member_dial_error(failed));
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
    if (!search->free && search->tries.n < TRIES_MOST)
        search->tries.left++;
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
