/* The list of an upstream's members, and how it follows DNS.
 *
 * single_writer: once the upstreams have started, the resolver's thread alone replaces the list, so it may read it
 * without the lock; others change nothing in it but the credits, under the lock. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "upstream/upstream.h"

#define TIER_BACKUP 65536 /* backups come after every SRV priority (RFC 2782: 16 bits) */

/* What the checker holds of a member. */
struct watch {
    struct upstream *upstream;
    struct member *member; /* a reference */
};

static bool roster_make(struct roster *roster, size_t n) {
    roster->n = 0;
    roster->slots = calloc(n + 1, sizeof(*roster->slots));
    roster->credits = calloc(n + 1, sizeof(*roster->credits));
    roster->candidates = calloc(n + 1, sizeof(*roster->candidates));
    roster->candidate_slots = calloc(n + 1, sizeof(*roster->candidate_slots));
    return roster->slots != NULL && roster->credits != NULL && roster->candidates != NULL &&
           roster->candidate_slots != NULL;
}

static void roster_free(struct roster *roster) {
    free(roster->slots);
    free(roster->credits);
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

/* Checks */

static void say_checked(struct watch *watch, bool up, const char *why) {
    struct upstream *upstream = watch->upstream;
    char text[MEMBER_TEXT_MAX];
    size_t all, usable;

    upstream_count(upstream, &all, &usable);
    member_format(watch->member, text, sizeof(text));
    if (up)
        log_msg(MSG_SERVER_UP, "Server %s is up: %s. %zu of %zu addresses of %s can be used.", text,
                why, usable, all, upstream->config->name);
    else
        log_msg(MSG_SERVER_DOWN, "Server %s is down: %s. %zu of %zu addresses of %s can be used.",
                text, why, usable, all, upstream->config->name);
    if (usable == 0)
        upstream_say_unreachable(upstream);
    else if (up)
        upstream_say_reachable(upstream);
}

/* Takes the change in, unless a newer configuration is in force: what it knows must not be changed any more. False:
 * nothing has changed. */
static bool take_change(struct watch *watch, bool up) {
    struct upstream *upstream = watch->upstream;

    lock_acquire(&upstream->lock);
    bool changes = !upstream->retired && atomic_load(&watch->member->down) == up;
    if (changes)
        member_set_down(watch->member, !up, clock_now());
    lock_release(&upstream->lock);
    return changes;
}

static void on_changed(void *arg, bool up, const char *why) {
    struct watch *watch = arg;
    struct upstream *upstream = watch->upstream;

    if (!take_change(watch, up))
        return;
    if (!up)
        upstream_note_trouble(upstream, watch->member, why);
    say_checked(watch, up, why);
    if (!up && upstream->config->on_down == ON_DOWN_RESET)
        upstream->all->on_down(upstream->all->arg, watch->member);
}

/* The checker of the configuration before may have told something else in its last moment, after this one had begun. */
static void on_stayed(void *arg, bool up) {
    const struct watch *watch = arg;

    if (atomic_load_explicit(&watch->member->down, memory_order_relaxed) == up)
        on_changed(arg, up, up ? "checks succeed" : "checks fail");
}

static void on_flaps(void *arg, unsigned rise) {
    struct watch *watch = arg;
    char text[MEMBER_TEXT_MAX];

    member_format(watch->member, text, sizeof(text));
    if ((int64_t)rise > watch->upstream->config->health_check.rise)
        log_msg(MSG_SERVER_FLAPS,
                "Server %s goes up and down again and again: it is held down until %u checks in a "
                "row succeed.",
                text, rise);
    else
        log_msg(MSG_SERVER_FLAPS, "Server %s has calmed down: %u checks in a row are enough again.",
                text, rise);
}

static void on_release(void *arg) {
    struct watch *watch = arg;

    member_unref(watch->member);
    free(watch);
}

/* Without memory it is not checked, and taken for up. */
static void begin_checks(struct slot *slot) {
    struct upstream *upstream = slot->server->upstream;
    const struct upstream_config *config = upstream->config;
    struct watch *watch;

    if (!config->health_check.given || slot->server->config->weight == 0)
        return;
    watch = calloc(1, sizeof(*watch));
    if (watch == NULL)
        return;
    watch->upstream = upstream;
    watch->member = member_ref(slot->member);
    const struct health_wish wish = {
        .config = &config->health_check,
        .addr = slot->member->addr,
        .source = config->source.len > 0 ? &config->source : NULL,
        .send_proxy = (enum proxy_version)config->send_proxy,
        .down = atomic_load(&slot->member->down),
        .changed = on_changed,
        .stayed = on_stayed,
        .flaps = on_flaps,
        .release = on_release,
        .arg = watch,
    };
    slot->target = health_add(upstream->all->health, &wish);
    if (slot->target == NULL)
        on_release(watch);
}

/* Learning */

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
    return member != NULL ? member : member_new(upstream->config->name, server->config->name, addr);
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
        begin_checks(slot);
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
    for (size_t i = 0; i < fresh.n; i++) { /* the credits of this moment */
        struct slot *same = find_slot(&old, fresh.slots[i].server, &fresh.slots[i].member->addr);

        fresh.credits[i] = same != NULL ? old.credits[same - old.slots] : 0;
    }
    upstream->roster = fresh;
    lock_release(&upstream->lock);
    let_go(&old, &fresh, upstream->all->health);
    return true;
}
