#include "upstream/reach.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/source.h"
#include "base/text.h"

#define REVIEW_AGAIN  USEC_PER_SEC
#define SOURCES_AGAIN (60 * USEC_PER_SEC)
#define BATCH         64 /* members looked at in one go: some 5 us each */

/* Some members of the list, with references. */
struct batch {
    size_t n, next; /* where in the list to go on */
    struct member *members[BATCH];
};

static size_t family_of(const struct member *member) {
    return member->addr.u.sa.sa_family == AF_INET6;
}

static const char *family_name(size_t family) {
    return family != 0 ? "IPv6" : "IPv4";
}

/* From this place in the list on, those that are cut off, or are not. */
static void take_batch(struct upstream *upstream, size_t from, bool cut_off, struct batch *batch) {
    lock_acquire(&upstream->lock);
    const struct roster *roster = &upstream->roster;
    batch->n = 0;
    for (batch->next = from; batch->next < roster->n && batch->n < BATCH; batch->next++) {
        struct member *member = roster->slots[batch->next].member;

        if ((atomic_load(&member->cut_off) != 0) == cut_off)
            batch->members[batch->n++] = member_ref(member);
    }
    if (batch->next >= roster->n)
        batch->next = 0;
    lock_release(&upstream->lock);
}

static size_t count_cut_off(struct upstream *upstream, size_t family) {
    size_t n = 0;

    lock_acquire(&upstream->lock);
    for (size_t i = 0; i < upstream->roster.n; i++) {
        const struct slot *slot = &upstream->roster.slots[i];

        n += slot_weight(slot) > 0 && family_of(slot->member) == family &&
             atomic_load(&slot->member->cut_off) != 0;
    }
    lock_release(&upstream->lock);
    return n;
}

/* The fields are of one of them. */
static void say_reach(enum log_kind kind, struct upstream *upstream, const struct member *member,
                      const char *what, size_t n) {
    bool lost = kind == MSG_CUT_OFF;
    const char *done = lost ? "not used until there is" : "used again";
    struct member_fields fields;
    size_t all, used;

    upstream_count(upstream, &all, &used);
    log_msg_with(kind, member_fields(&fields, member, lost ? "down" : "up"),
                 "%s: %zu address%s of %s %s %s. %zu of %zu addresses of %s are usable.", what, n,
                 n == 1 ? "" : "es", upstream->config->name, n == 1 ? "is" : "are", done, used, all,
                 upstream->config->name);
}

/* The others of its family. */
static void look_at_family(struct upstream *upstream, size_t family) {
    struct batch batch = {0};

    do {
        take_batch(upstream, batch.next, false, &batch);
        for (size_t i = 0; i < batch.n; i++) {
            struct member *member = batch.members[i];

            if (!addr_is_unix(&member->addr) && family_of(member) == family)
                (void)member_set_cut_off(
                    member, source_route_error(&upstream->config->source_address, &member->addr));
            member_unref(member);
        }
    } while (batch.next != 0);
}

/* No address to dial it from is this machine's: names them, in a clause. */
static void say_sources(struct upstream *upstream, struct member *member, char *what, size_t size) {
    const struct source_list *list = &upstream->config->source_address;
    const char *before = "";

    what[0] = '\0';
    text_append(what, size, "source_address of upstream %s names no address of this machine (",
                upstream->config->name);
    for (size_t i = 0; i < list->n; i++)
        if (list->addrs[i].u.sa.sa_family == member->addr.u.sa.sa_family) {
            text_append(what, size, "%s%s", before, list->texts[i]);
            before = ", ";
        }
    text_append(what, size, ")");
    upstream_note_trouble(upstream, member, "source_address is no address of this machine");
}

void reach_lost(struct upstream *upstream, struct member *member, int error) {
    size_t family = family_of(member);
    char what[512], addr[ADDR_TEXT_MAX];

    (void)member_set_cut_off(member, error);
    if (atomic_exchange(&upstream->bulletin->cut_off[family], true))
        return;
    look_at_family(upstream, family);
    if (source_all_missing(&upstream->config->source_address, &member->addr)) {
        say_sources(upstream, member, what, sizeof(what));
    } else {
        snprintf(what, sizeof(what), "There is no %s on this machine that leads to %s (%s)",
                 family_name(family), addr_format(&member->addr, addr, sizeof(addr)),
                 strerrordesc_np(error));
        upstream_note_trouble(upstream, member,
                              family != 0 ? "no IPv6 on this machine leads there"
                                          : "no IPv4 on this machine leads there");
    }
    say_reach(MSG_CUT_OFF, upstream, member, what, count_cut_off(upstream, family));
}

/* Whether it is this caller's turn. */
static bool is_time_to_review(struct upstream *upstream) {
    usec_t now = clock_coarse(), last = atomic_load(&upstream->reviewed);

    return now - last >= REVIEW_AGAIN &&
           atomic_compare_exchange_strong(&upstream->reviewed, &last, now);
}

static void say_back(struct upstream *upstream, size_t family, size_t n,
                     const struct member *member) {
    char what[ADDR_TEXT_MAX + 64], addr[ADDR_TEXT_MAX];

    atomic_store(&upstream->bulletin->cut_off[family], false);
    snprintf(what, sizeof(what), "%s on this machine leads to %s again", family_name(family),
             addr_format(&member->addr, addr, sizeof(addr)));
    say_reach(MSG_SERVER_UP, upstream, member, what, n);
}

void reach_review(struct upstream *upstream, struct member *one) {
    const struct member *back[2] = {NULL};
    size_t n[2] = {0};
    struct batch batch;

    if (one == NULL && !is_time_to_review(upstream))
        return;
    if (one != NULL && member_set_cut_off(one, 0) != 0) {
        n[family_of(one)]++;
        back[family_of(one)] = one;
    }
    take_batch(upstream, atomic_load(&upstream->review_from), true, &batch);
    atomic_store(&upstream->review_from, batch.next);
    for (size_t i = 0; i < batch.n; i++) {
        struct member *member = batch.members[i];

        if (source_route_error(&upstream->config->source_address, &member->addr) != 0 ||
            member_set_cut_off(member, 0) == 0)
            continue;
        n[family_of(member)]++;
        back[family_of(member)] = member;
    }
    for (size_t family = 0; family < 2; family++)
        if (n[family] > 0)
            say_back(upstream, family, n[family], back[family]);
    for (size_t i = 0; i < batch.n; i++)
        member_unref(batch.members[i]);
}

void reach_say_missing_sources(struct upstream *upstream) {
    const struct source_list *list = &upstream->config->source_address;
    usec_t now = clock_now(), last = atomic_load(&upstream->source_said);
    const struct log_field fields[] = {{"RELAYD_UPSTREAM", upstream->config->name}, {NULL, NULL}};
    char names[512] = "";
    size_t n = 0;

    if ((last != 0 && now - last < SOURCES_AGAIN) ||
        !atomic_compare_exchange_strong(&upstream->source_said, &last, now))
        return;
    for (size_t i = 0; i < list->n; i++)
        if (source_is_missing(&list->addrs[i]))
            text_append(names, sizeof(names), "%s%s", n++ > 0 ? ", " : "", list->texts[i]);
    if (n > 0)
        log_msg_with(MSG_SOURCE_MISSING, fields,
                     "source_address of upstream %s names %s, which %s of this machine: relayd "
                     "connects from the others. Add it (ip address add), or take it from the list.",
                     upstream->config->name, names, n > 1 ? "are no addresses" : "is no address");
}
