#include "upstream/slot.h"

void slot_drop(struct slot *slot, struct members *members, struct health *health) {
    if (slot->target != NULL)
        health_remove(health, slot->target);
    members_unlist(members, slot->member);
}
