/* Whether what a process before has noted of a connection makes sense. Pure. */
#ifndef HANDOVER_SOUND_H
#define HANDOVER_SOUND_H

#include <stdbool.h>

#include "handover/table.h"
#include "record/conn_state.h"

/* Every name ends, every address, number and choice is in its range. Nothing of it may be used
 * otherwise. */
bool state_is_sound(const struct conn_state *state);

/* The same for a listening socket. */
bool listener_is_sound(const struct listen_description *listener);

/* A byte may have been in the memory of the process and nowhere else: the connection cannot go
 * on. */
bool state_lacks_bytes(const struct conn_state *state);

#endif
