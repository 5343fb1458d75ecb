/* How a connection goes on whose bytes are changed on their way (record/passage.h). */
#ifndef RELAY_ADOPT_STEPS_H
#define RELAY_ADOPT_STEPS_H

#include "conn/holdings.h"
#include "conn/passage.h"
#include "handover/table.h"

/* Whether an exchange goes on with its leg, which is at fd. */
bool adopt_has_leg(const struct passages *passages, int fd);

/* Whether what is noted of a slot by_steps makes sense, besides its state. */
bool adopt_is_sound(const struct table *table, uint32_t slot);

/* Makes the sessions of a slot whose state is sound, and what its client has shown: into *has,
 * which has its sockets. pipe: the read ends that came with it, by direction; -1: none. ret_rest:
 * by direction, what its pumps have to do first. NULL, or why it cannot go on; then nothing was
 * made. Main, before any pump of it runs. */
const char *adopt_steps(struct table *table, uint32_t slot, struct holdings *has, const int pipe[2],
                        struct passage_rest ret_rest[2]);

#endif
