/* What openings.c (who comes in, whose turn it is), openings_room.c (who is put out) and
 * openings_openers.c (the threads) share. */
#ifndef ROAD_OPENINGS_INSIDE_H
#define ROAD_OPENINGS_INSIDE_H

#include "road/openings.h"

/* The next for an opener, counted as there; or NULL. */
struct opening *openings_take(struct openings *openings) REQUIRES(openings->lock);

void openings_count_out(struct openings *openings, const struct opening *opening)
    REQUIRES(openings->lock);

/* After every change of who needs room. */
void openings_make_room(struct openings *openings) REQUIRES(openings->lock);

/* NULL: for the next that comes. The opener and the opening are counted already. 0 or -errno. No
 * leaf lock held. */
int openings_add_opener(struct openings *openings, struct opening *opening) MUST_USE;

/* Joins and frees them. No leaf lock held. */
void openings_free_ended(struct ended_list *ended);

#endif
