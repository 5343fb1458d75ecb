/* The list of an upstream's members, and how it follows DNS.
 *
 * single_writer: once the upstreams have started, the resolver's thread alone replaces the list, so it may read it
 * without the lock; others change nothing in it. */
#include <stdlib.h>
#include <string.h>

#include "upstream/upstream.h"
#include "upstream/watcher.h"

#define TIER_BACKUP 65536 /* backups come after every SRV priority (RFC 2782: 16 bits) */

static bool roster_make(struct roster *roster, size_t n) {
    roster->n = 0;
    roster->slots = calloc(n + 1, sizeof(*roster->slots));
    roster->candidates = calloc(n + 1, sizeof(*roster->candidates));
    roster->candidate_slots = calloc(n + 1, sizeof(*roster->candidate_slots));
    return roster->slots != NULL && roster->candidates != NULL && roster->candidate_slots != NULL;
}

static void roster_free(struct roster *roster) {
    free(roster->slots);
    free(roster->candidates);
    free(roster->candidate_slots);
    *roster = (struct roster){0};
}

static void drop_slot(struct slot *slot, struct health *health) {
    if (slot->target != NULL)
        health_remove(health, slot->target);
    member_unref(slot->member);
}

void roster_clear(struct roster *roster, struct health *health) {
    for (size_t i = 0; i < roster->n; i++)
        drop_slot(&roster->slots[i], health);
    roster_free(roster);
}

static struct slot *find_slot(const struct roster *roster, const struct server *server,
                              const struct addr *addr) {
    for (size_t i = 0; i < roster->n; i++)
        if (roster->slots[i].server == server && addr_equal(&roster->slots[i].member->addr, addr))
            return &roster->slots[i];
    return NULL;
}

/* The rank of an SRV priority among those of the answer: 0 is used first. */
static unsigned rank(const struct dns_place *places, size_t n, unsigned priority) {
    unsigned lower = 0;

    for (size_t i = 0; i < n; i++) {
        bool counted = places[i].priority >= priority;

        for (size_t k = 0; k < i && !counted; k++)
            counted = places[k].priority == places[i].priority;
        lower += !counted;
    }
    return lower;
}

/* One that the former configuration has, or a new one. */
static struct member *get_member(const struct server *server, const struct addr *addr) {
    struct upstream *upstream = server->upstream;
    struct member *member = upstream->former != NULL
                                ? upstream_find(upstream->former, server->config->name, addr)
                                : NULL;

    if (member == NULL)
        member = upstream_find_expected(upstream, server->config->name, addr);
    if (member == NULL)
        member = member_new(upstream->config->name, server->config->name, addr);
    if (member != NULL && !upstream->config->health_check.given)
        member->history.decided = true; /* see check_history_pause */
    return member;
}

/* Adds what one place of an answer makes. False: no memory. */
static bool add_place(struct roster *to, const struct roster *from, struct server *server,
                      const struct dns_place *place, unsigned tier) {
    struct slot *old = find_slot(from, server, &place->addr), *slot = &to->slots[to->n];

    if (find_slot(to, server, &place->addr) != NULL)
        return true;
    *slot = (struct slot){.server = server};
    if (old != NULL) {
        *slot = *old;
        (void)member_ref(slot->member);
    } else {
        slot->member = get_member(server, &place->addr);
        if (slot->member == NULL)
            return false;
        if (server->config->weight > 0)
            slot->target = watcher_begin(server->upstream, slot->member);
    }
    slot->place = *place;
    slot->weight = (uint64_t)server->config->weight * (place->weight > 0 ? place->weight : 1);
    slot->tier = tier + (server->config->backup ? TIER_BACKUP : 0);
    to->n++;
    return true;
}

/* Takes over the slots of the other servers, and those of this one that an earlier configuration left. */
static bool fill(struct roster *to, const struct roster *from, struct server *server,
                 const struct dns_place *places, size_t n) {
    for (size_t i = 0; i < from->n; i++) {
        if (from->slots[i].server == server)
            continue;
        to->slots[to->n] = from->slots[i];
        (void)member_ref(to->slots[to->n++].member);
    }
    for (size_t i = 0; i < n; i++)
        if (!add_place(to, from, server, &places[i], rank(places, n, places[i].priority)))
            return false;
    return true;
}

/* Gives back what `of` has and `but` has not: members, and checks of those that are gone. */
static void let_go(struct roster *of, const struct roster *but, struct health *health) {
    for (size_t i = 0; i < of->n; i++) {
        struct slot *slot = &of->slots[i],
                    *same = find_slot(but, slot->server, &slot->member->addr);

        if (same != NULL && same->target == slot->target)
            slot->target = NULL;
        drop_slot(slot, health);
    }
    roster_free(of);
}

struct member *upstream_find(struct upstream *upstream, const char *server,
                             const struct addr *addr) {
    struct member *found = NULL;

    lock_acquire(&upstream->lock);
    for (size_t i = 0; i < upstream->roster.n && found == NULL; i++) {
        struct slot *slot = &upstream->roster.slots[i];

        if (strcmp(slot->server->config->name, server) == 0 &&
            addr_equal(&slot->member->addr, addr))
            found = member_ref(slot->member);
    }
    lock_release(&upstream->lock);
    return found;
}

bool upstream_learn(struct server *server, const struct dns_place *places, size_t n) UNCHECKED {
    struct upstream *upstream = server->upstream;
    struct roster fresh, old = upstream->roster; /* single_writer */

    if (!roster_make(&fresh, old.n + n) || !fill(&fresh, &old, server, places, n)) {
        let_go(&fresh, &old, upstream->all->health);
        return false;
    }
    lock_acquire(&upstream->lock);
    upstream->roster = fresh;
    lock_release(&upstream->lock);
    let_go(&old, &fresh, upstream->all->health);
    return true;
}
