/* Which listener counts a connection that was adopted. */
#ifndef RELAY_ADOPT_ROUTE_H
#define RELAY_ADOPT_ROUTE_H

#include "record/record.h"
#include "relay/relay.h"

/* The route of the listener that it came by; or, if none has that name any more, of the one that
 * listens where it came in. NULL: there is none. The owner's. */
const struct route *adopt_route(const struct relay *relay, const struct record *record, int client);

#endif
