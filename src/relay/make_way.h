/* Gets what previous relayds left open out of the way of a start. */
#ifndef RELAY_MAKE_WAY_H
#define RELAY_MAKE_WAY_H

#include "listen/listen_wish.h"
#include "relay/relay.h"

/* The wished address is in use: has keepers (this relayd's own and the usual one) close what is in
 * its way. Before link_start. */
void make_way(struct relay *relay, const struct listen_wish *wish);

#endif
