/* Which listener counts a connection that was adopted. */
#ifndef RELAY_ADOPT_ROUTE_H
#define RELAY_ADOPT_ROUTE_H

#include "record/record.h"
#include "relay/relay.h"

/* The route of the listener of the record's name; else of one that listens where the client came
 * in; else NULL. The owner's. */
struct route *adopt_route(const struct relay *relay, const struct record *record, int client);

#endif
