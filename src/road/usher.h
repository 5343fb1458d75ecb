/* The usher: refuses connections after queue_timeout, lets full lines look again, ends idle spare
 * threads. */
#ifndef ROAD_USHER_H
#define ROAD_USHER_H

#include "road/spares.h"

struct usher {
    struct road *road;
    struct spares *spares;
    struct thread thread;
};

/* The road and the spares outlive it. 0 or -errno. */
int usher_start(struct usher *usher, struct road *road, struct spares *spares) MUST_USE;

/* Ends it, if it runs. */
void usher_stop(struct usher *usher);

#endif
