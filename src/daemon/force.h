/* Puts a configuration in force in all that main owns. */
#ifndef DAEMON_FORCE_H
#define DAEMON_FORCE_H

#include "daemon/passed.h"
#include "daemon/reading.h"
#include "relay/relay.h"

/* The log alone: level and format. */
void force_log(const struct config *config);

/* What was read, with its configuration. EX_OK; or another status of sysexits.h, nothing has
 * changed, and the caller frees *ret_what (NULL: no memory). Waits as relay_apply and
 * access_log_use do. Main. */
int force_config(struct relay *relay, struct passed *passed, const struct reading_result *read,
                 char **ret_what);

#endif
