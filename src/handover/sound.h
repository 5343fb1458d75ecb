/* Whether what a previous process noted makes sense. Pure. */
#ifndef HANDOVER_SOUND_H
#define HANDOVER_SOUND_H

#include <stdbool.h>

#include "handover/table.h"
#include "record/conn_state.h"

/* Every name ends, every address, number and choice is in range. To be asked before any other
 * use. */
bool state_is_sound(const struct conn_state *state);

/* The same for a listening socket. */
bool listener_is_sound(const struct listen_description *listener);

/* The same for what a client has shown. */
bool shown_is_sound(const struct proxy_certificate *shown);

/* A byte may have been in that process's memory alone: the connection cannot go on. */
bool state_lacks_bytes(const struct conn_state *state);

#endif
