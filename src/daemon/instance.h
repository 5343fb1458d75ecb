/* The name of this relayd among those that a keeper may serve. */
#ifndef DAEMON_INSTANCE_H
#define DAEMON_INSTANCE_H

#include "config/config.h"
#include "keeper/message.h"

/* The configured name; else the absolute path of the file; else (file is NULL) the address that it
 * listens on. Keeps symbolic links on the way to the file: an upgrade may change what they lead to.
 * Shortens a long name to a sum over all and its last bytes. */
void instance_name(const struct config *config, const char *file, char ret_name[KEEPER_NAME_MAX]);

#endif
