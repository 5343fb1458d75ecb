/* An opener's work: reads what the client sends first, then queues or refuses it. */
#ifndef ROAD_HEAR_H
#define ROAD_HEAR_H

#include "road/opening.h"

/* An opening_fn. */
void hear_opening(void *road, struct opening *opening);

#endif
