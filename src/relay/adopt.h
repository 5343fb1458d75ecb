/* Adopting: going on with the connections that the previous relayd left with the keeper. */
#ifndef RELAY_ADOPT_H
#define RELAY_ADOPT_H

#include <stddef.h>

#include "relay/relay.h"

struct adoption {
    size_t adopted;
    size_t failed;          /* reset; each has been logged */
    usec_t median, longest; /* how long they stood still, until they were looked at */
};

/* After the first relay_apply and before relay_open: makes conns of all connections in
 * relay->heritage, which is empty then. Those that have something under way have their pumps, the
 * others get them soon (conn/adopter.h). Those whose listener or server the configuration does not
 * have live on, too. Main. */
struct adoption adopt_all(struct relay *relay);

#endif
