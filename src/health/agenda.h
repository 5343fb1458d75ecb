/* The checker's targets by when they are due: a binary heap. */
#ifndef HEALTH_AGENDA_H
#define HEALTH_AGENDA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/clock.h"

struct health_target;

/* Zeroed: empty. */
struct agenda {
    /* none is due later than its children, at twice its place plus 1 and 2 */
    struct health_target **heap;
    size_t n, room;
};

/* Adds one that is in none, for that moment. False: no memory. */
bool agenda_add(struct agenda *agenda, struct health_target *target, usec_t moment) MUST_USE;

/* Changes the moment of one that is in it; takes it out. */
void agenda_move(struct agenda *agenda, struct health_target *target, usec_t moment);
void agenda_remove(struct agenda *agenda, struct health_target *target);

/* NULL: empty. */
struct health_target *agenda_first(const struct agenda *agenda);

void agenda_free(struct agenda *agenda); /* targets are the caller's */

#endif
