/* Listeners at link-local addresses follow their interfaces: a socket that is bound to one is dead
 * for good once that is gone, also if another of its name comes. */
#ifndef RELAY_FOLLOW_H
#define RELAY_FOLLOW_H

#include "relay/relay.h"

/* Looks at the interfaces; where one was made anew, its listeners get new sockets. Whether there
 * are any such listeners, for which it is to be called again. Costs three system calls for each.
 * The owner's of the relay, after relay_open. */
bool relay_follow(struct relay *relay);

#endif
