/* The checker's targets in the order in which something is to be done about them: a binary heap. */
#ifndef HEALTH_AGENDA_H
#define HEALTH_AGENDA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/clock.h"

struct health_target;

/* Zeroed: empty. */
struct agenda {
    struct health_target *
        *heap; /* each is not later than the two at twice its place and one or two more */
    size_t n, room;
};

/* Adds one, which is in none, for that moment. False: no memory. */
bool agenda_add(struct agenda *agenda, struct health_target *target, usec_t moment) MUST_USE;

/* One that is in it is for another moment now, or in it no more. */
void agenda_move(struct agenda *agenda, struct health_target *target, usec_t moment);
void agenda_remove(struct agenda *agenda, struct health_target *target);

/* The first one; NULL: it is empty. */
struct health_target *agenda_first(const struct agenda *agenda);

void agenda_free(struct agenda *agenda); /* the targets are the caller's */

#endif
