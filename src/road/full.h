/* Tells that clients wait for room: where none is refused (when_full = wait), nothing else does. */
#ifndef ROAD_FULL_H
#define ROAD_FULL_H

#include <stdbool.h>

#include "listen/gate.h"

/* When whoever waits at a full gate shall look whether to tell. */
usec_t full_due(struct gate *gate);

/* Whether it is still full, and that was not logged of late. */
bool full_is_untold(struct gate *gate);

/* Logs it, once for all who wait there. listener: whose gate it is; NULL: the relay's. */
void full_tell(struct gate *gate, const char *listener);

#endif
