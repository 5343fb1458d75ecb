/* What the system allows against what max_connections needs, looked at when a configuration is put
 * in force. */
#ifndef DAEMON_LIMITS_H
#define DAEMON_LIMITS_H

#include "config/config.h"
#include "relay/relay.h"

/* Raises the soft limit on descriptors to the hard one: how many there are. */
int64_t limits_raise_descriptors(void);

/* Raises the soft limit on descriptors to the hard one, then works out how many connections fit:
 * never more than max_connections, never fewer than one. What does not fit is logged in one warning
 * (MSG_LIMITS). link: to the keeper, or NULL. The main thread. */
struct relay_limits limits_settle(const struct config *config, const struct link *link);

#endif
