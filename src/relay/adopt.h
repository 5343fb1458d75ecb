/* Goes on with connections that the previous relayd left with the keeper. */
#ifndef RELAY_ADOPT_H
#define RELAY_ADOPT_H

#include <stddef.h>

#include "relay/relay.h"

struct adoption {
    size_t adopted;
    size_t failed;          /* reset and logged */
    usec_t median, longest; /* how long they stood still */
};

/* Makes conns of all in relay->heritage, and empties it. Those with something under way get their
 * pumps at once, the others soon (conn/adopter.h). Those whose listener or server is not configured
 * live on. Main, after the first relay_apply and before relay_open. */
struct adoption adopt_all(struct relay *relay);

#endif
