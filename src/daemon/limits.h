/* Compares what the system allows with what max_connections needs. */
#ifndef DAEMON_LIMITS_H
#define DAEMON_LIMITS_H

#include "config/config.h"
#include "relay/relay.h"

/* Raises the soft limit on descriptors to the hard one, and returns it. */
int64_t limits_raise_descriptors(void);

/* Raises that limit, then works out how many connections fit: 1 to max_connections. Warns once
 * (MSG_LIMITS) of what does not. link may be NULL. Main. */
struct relay_limits limits_for(const struct config *config, const struct link *link);

#endif
