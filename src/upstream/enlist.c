#include "upstream/enlist.h"

#include <stdlib.h>
#include <string.h>

#include "upstream/token.h"
#include "upstream/watcher.h"

#define TIER_BACKUP 65536 /* backups come after every SRV priority (RFC 2782: 16 bits) */

/* A server's former slots, by address. */
struct former_slots {
    struct slot **sorted;
    size_t n;
};

static int compare_slots(const void *a, const void *b) {
    const struct slot *const *x = a, *const *y = b;

    return addr_compare(&(*x)->member->addr, &(*y)->member->addr);
}

static int compare_key(const void *key, const void *element) {
    const struct slot *const *slot = element;

    return addr_compare(key, &(*slot)->member->addr);
}

static bool sort_former(struct former_slots *former, struct slot *slots, size_t n) {
    former->sorted = calloc(n + 1, sizeof(struct slot *));
    if (former->sorted == NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        former->sorted[i] = &slots[i];
    former->n = n;
    if (n > 1)
        qsort(former->sorted, n, sizeof(struct slot *), compare_slots);
    return true;
}

static struct slot *find_former_slot(const struct former_slots *former, const struct addr *addr) {
    struct slot **at =
        former->n > 0 ? bsearch(addr, former->sorted, former->n, sizeof(struct slot *), compare_key)
                      : NULL;

    return at != NULL ? *at : NULL;
}

/* A member new to the roster. */
static bool add_member(struct slot *slot, const struct server *server, const struct addr *addr) {
    struct upstream *upstream = server->upstream;

    slot->member =
        members_get(upstream->shared->members, upstream->config->name, server->config->name, addr);
    if (slot->member == NULL)
        return false;
    members_list(upstream->shared->members, slot->member);
    slot->server = server;
    slot->fresh = true;
    if (upstream->config->balance == BALANCE_cookie)
        slot->token = token_of(upstream->config, slot->member);
    slot->target = watcher_begin(server, slot->member);
    return true;
}

/* Fills in a server whose endpoints have changed, sorted by priority: the rank of that, from 0, is
 * the tier. taken: old slots that go on. */
static bool fill_changed(struct roster *fresh, struct server *server, struct slot *old, size_t n,
                         bool *taken) {
    struct former_slots former = {0};
    bool whole = sort_former(&former, old, n);
    unsigned rank = 0;

    for (size_t i = 0; i < server->n_endpoints; i++) {
        const struct endpoint *endpoint = &server->endpoints[i];
        struct slot *slot = &fresh->slots[fresh->n],
                    *before = find_former_slot(&former, &endpoint->addr);

        rank += i > 0 && endpoint->priority != endpoint[-1].priority;
        *slot = (struct slot){0};
        if (before != NULL) {
            *slot = *before;
            slot->fresh = false;
            taken[before - old] = true;
        } else if (!add_member(slot, server, &endpoint->addr)) {
            whole = false;
            continue;
        }
        slot->share = endpoint->weight;
        slot->tier = rank + (server->config->backup ? TIER_BACKUP : 0);
        fresh->n++;
    }
    free(former.sorted);
    return whole;
}

static void fill_unchanged(struct roster *fresh, const struct slot *old, size_t n, bool *taken) {
    if (n > 0)
        memcpy(&fresh->slots[fresh->n], old, n * sizeof(*old));
    for (size_t i = 0; i < n; i++) {
        fresh->slots[fresh->n + i].fresh = false;
        taken[i] = true;
    }
    fresh->n += n;
}

static bool fill_roster(struct roster *fresh, struct upstream *upstream, const struct roster *old,
                        bool *taken) {
    bool whole = true;

    for (size_t i = 0; i < upstream->config->n_servers; i++) {
        struct server *server = &upstream->servers[i];
        size_t first = fresh->n, at = server->first_slot, n = server->n_slots;
        struct slot *slots = n > 0 ? &old->slots[at] : NULL; /* the first roster follows none */
        bool *go_on = n > 0 ? &taken[at] : NULL;

        if (server->changed)
            whole = fill_changed(fresh, server, slots, n, go_on) && whole;
        else
            fill_unchanged(fresh, slots, n, go_on);
        server->changed = false;
        server->first_slot = first;
        server->n_slots = fresh->n - first;
    }
    return whole;
}

static size_t count_endpoints(const struct upstream *upstream) {
    size_t n = 0;

    for (size_t i = 0; i < upstream->config->n_servers; i++) {
        const struct server *server = &upstream->servers[i];

        n += server->changed ? server->n_endpoints : server->n_slots;
    }
    return n;
}

bool enlist_members(struct upstream *upstream) UNCHECKED {
    struct roster fresh = {0}, old = upstream->roster; /* single_writer */
    bool *taken = calloc(old.n + 1, sizeof(*taken));

    if (taken == NULL || !roster_make(&fresh, count_endpoints(upstream))) {
        roster_free(&fresh);
        free(taken);
        return false;
    }
    bool whole = fill_roster(&fresh, upstream, &old, taken);
    if (fresh.n >= GROUPS_FROM)
        fresh.groups = groups_new(fresh.slots, fresh.n, old.groups);
    lock_acquire(&upstream->lock);
    upstream->roster = fresh;
    if (upstream->begun && !upstream->retired)
        roster_begin(&upstream->roster, false);
    lock_release(&upstream->lock);
    for (size_t i = 0; i < old.n; i++)
        if (!taken[i])
            slot_drop(&old.slots[i], upstream->shared->members, upstream->shared->health);
    roster_free(&old);
    free(taken);
    return whole;
}
