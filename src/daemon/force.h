/* A configuration is put in force: what that means for all that main owns. */
#ifndef DAEMON_FORCE_H
#define DAEMON_FORCE_H

#include "daemon/passed.h"
#include "relay/relay.h"

/* EX_OK, or another status of sysexits.h and *ret_what, which the caller frees (NULL: no memory);
 * then nothing has changed. names: those of its listeners. Waits as relay_apply
 * does. The main thread. */
int force_config(struct relay *relay, struct passed *passed, struct config *config,
                 const struct listen_names *names, char **ret_what);

#endif
