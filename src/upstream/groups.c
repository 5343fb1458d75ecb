#include "upstream/groups.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Counts each group, then fills it. */
static void sort_into(struct groups *groups, const struct slot *slots, size_t n) {
    size_t first = 0;

    for (size_t i = 0; i < n; i++)
        groups->list[member_cell(slots[i].member)].n++;
    for (size_t i = 0; i < MEMBER_CELLS; i++) {
        groups->list[i].first = first;
        first += groups->list[i].n;
        groups->list[i].n = 0;
    }
    for (size_t i = 0; i < n; i++) {
        struct group *group = &groups->list[member_cell(slots[i].member)];

        groups->slots[group->first + group->n++] = slots[i];
    }
}

static void list_steady_slots(struct groups *groups) {
    const struct slot *slots = groups->slots;

    groups->n_steady = 0;
    for (size_t i = 0; i < groups->n; i++) {
        uint64_t weight = slot_weight(&slots[i]);

        if (slots[i].tier > 0 || weight == 0)
            continue;
        groups->steady_slots[groups->n_steady] = &slots[i];
        groups->steady[groups->n_steady++] =
            (struct candidate){.id = slots[i].member->id, .weight = weight * SLOT_WEIGHT_SCALE};
    }
}

struct groups *groups_new(const struct slot *slots, size_t n, const struct groups *former) {
    struct groups *groups = calloc(1, sizeof(*groups));

    if (groups == NULL)
        return NULL;
    groups->slots = calloc(n, sizeof(*groups->slots));
    groups->steady = calloc(n, sizeof(*groups->steady));
    groups->steady_slots = calloc(n, sizeof(struct slot *));
    if (groups->slots == NULL || groups->steady == NULL || groups->steady_slots == NULL) {
        groups_free(groups);
        return NULL;
    }
    sort_into(groups, slots, n);
    groups->n = n;
    groups->orders_seen = orders_changes();
    list_steady_slots(groups);
    groups_follow(groups, former);
    return groups;
}

void groups_follow_orders(struct groups *groups) {
    uint64_t changes = orders_changes();

    if (groups->orders_seen == changes)
        return;
    groups->orders_seen = changes;
    for (size_t i = 0; i < MEMBER_CELLS; i++)
        groups->list[i].view.until = 0; /* long ago */
    list_steady_slots(groups);
}

void groups_free(struct groups *groups) {
    if (groups == NULL)
        return;
    free(groups->slots);
    free(groups->steady);
    free(groups->steady_slots);
    free(groups);
}

void groups_follow(struct groups *groups, const struct groups *former) {
    for (size_t i = 0; groups != NULL && former != NULL && i < MEMBER_CELLS; i++)
        atomic_store(&groups->list[i].credit, atomic_load(&former->list[i].credit));
}
