#include "upstream/roster.h"

#include <stdatomic.h>
#include <stdlib.h>

bool roster_make(struct roster *roster, size_t n) {
    roster->n = 0;
    roster->slots = calloc(n + 1, sizeof(*roster->slots));
    roster->candidates = calloc(n + 1, sizeof(*roster->candidates));
    roster->candidate_slots = calloc(n + 1, sizeof(struct slot *));
    return roster->slots != NULL && roster->candidates != NULL && roster->candidate_slots != NULL;
}

void roster_free(struct roster *roster) {
    free(roster->slots);
    free(roster->candidates);
    free(roster->candidate_slots);
    groups_free(roster->groups);
    *roster = (struct roster){0};
}

void roster_begin(const struct roster *roster, bool all) {
    usec_t now = clock_now();

    for (size_t i = 0; i < roster->n; i++) {
        const struct slot *slot = &roster->slots[i];

        if (!all && !slot->fresh)
            continue;
        atomic_store(&slot->member->max_connections, slot->server->config->max_connections);
        member_set_drained(slot->member, slot_weight(slot) == 0, now);
        if (slot->target == NULL || !server_is_checked(slot->server))
            member_unchecked(slot->member, slot_weight(slot) > 0, now);
    }
}

void roster_count(const struct roster *roster, size_t *ret_all, size_t *ret_up) {
    usec_t now = clock_coarse();
    size_t all = 0, up = 0;

    for (size_t i = 0; i < roster->n; i++) {
        const struct slot *slot = &roster->slots[i];

        bool chosen = slot_weight(slot) > 0;

        all += chosen;
        up += chosen && member_is_used(slot->member, now);
    }
    *ret_all = all;
    *ret_up = up;
}
