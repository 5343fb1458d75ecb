#include "health/agenda.h"

#include <stdlib.h>

#include "base/grow.h"
#include "health/health_target.h"

static void put_at(struct agenda *agenda, size_t place, struct health_target *target) {
    agenda->heap[place] = target;
    target->place = place;
}

/* From a free place towards the first, to where the target belongs. */
static void raise_target(struct agenda *agenda, size_t place, struct health_target *target) {
    while (place > 0 && agenda->heap[(place - 1) / 2]->moment > target->moment) {
        put_at(agenda, place, agenda->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put_at(agenda, place, target);
}

/* The same towards the last, or else towards the first. */
static void sink_target(struct agenda *agenda, size_t place, struct health_target *target) {
    size_t child;

    while ((child = 2 * place + 1) < agenda->n) {
        if (child + 1 < agenda->n && agenda->heap[child + 1]->moment < agenda->heap[child]->moment)
            child++;
        if (agenda->heap[child]->moment >= target->moment)
            break;
        put_at(agenda, place, agenda->heap[child]);
        place = child;
    }
    raise_target(agenda, place, target);
}

bool agenda_add(struct agenda *agenda, struct health_target *target, usec_t moment) {
    struct health_target **heap =
        grow_list(agenda->heap, agenda->n, &agenda->room, sizeof(struct health_target *));

    if (heap == NULL)
        return false;
    agenda->heap = heap;
    target->moment = moment;
    raise_target(agenda, agenda->n++, target);
    return true;
}

void agenda_move(struct agenda *agenda, struct health_target *target, usec_t moment) {
    target->moment = moment;
    sink_target(agenda, target->place, target);
}

void agenda_remove(struct agenda *agenda, struct health_target *target) {
    struct health_target *last = agenda->heap[--agenda->n];

    if (last != target)
        sink_target(agenda, target->place, last);
}

struct health_target *agenda_first(const struct agenda *agenda) {
    return agenda->n > 0 ? agenda->heap[0] : NULL;
}

void agenda_free(struct agenda *agenda) {
    free(agenda->heap);
    *agenda = (struct agenda){0};
}
