/* What an opener does with an opening: it reads what the client has to send first, and then queues
 * the connection or refuses it. */
#ifndef ROAD_HEAR_H
#define ROAD_HEAR_H

#include "road/opening.h"

/* An opening_fn; the first argument is the road. */
void hear_opening(void *road, struct opening *opening);

#endif
