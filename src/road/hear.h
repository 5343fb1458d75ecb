/* What an opener does with an opening: reads what the client has to send first, then queues the
 * connection or refuses it. */
#ifndef ROAD_HEAR_H
#define ROAD_HEAR_H

#include "road/opening.h"

/* An opening_fn; the first argument is the road. */
void hear_opening(void *road, struct opening *opening);

#endif
