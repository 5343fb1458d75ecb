/* What the parts of the openings share: openings.c (who comes in, whose turn it is),
 * openings_room.c (who is put out) and openings_openers.c (the threads). */
#ifndef ROAD_OPENINGS_INSIDE_H
#define ROAD_OPENINGS_INSIDE_H

#include "road/openings.h"

/* The next one that may go to an opener, and counts as there; or NULL. */
struct opening *openings_take(struct openings *openings) REQUIRES(openings->lock);

/* Its opener is through with it. */
void openings_count_out(struct openings *openings, const struct opening *opening)
    REQUIRES(openings->lock);

/* After every change of who needs room: puts out ripe ones. */
void openings_make_room(struct openings *openings) REQUIRES(openings->lock);

/* Makes an opener, for this opening or the next that comes (NULL); both are counted already. 0 or
 * -errno. No leaf lock held. */
int openings_add_opener(struct openings *openings, struct opening *opening) MUST_USE;

/* Joins and frees openers that have ended. No leaf lock held. */
void openings_free_ended(struct ended_list *ended);

#endif
