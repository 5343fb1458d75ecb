/* Listeners at link-local addresses follow their interfaces. When one is gone, a socket bound to it
 * stays dead, even if another of its name comes. */
#ifndef RELAY_FOLLOW_H
#define RELAY_FOLLOW_H

#include "relay/relay.h"

/* Gives listeners new sockets where their interface was made anew. Costs three system calls for
 * each. False: there are no such listeners. The owner's, after relay_open. */
bool relay_follow(struct relay *relay);

#endif
