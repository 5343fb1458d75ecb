/* The name of this relayd among those that a keeper may serve. */
#ifndef DAEMON_INSTANCE_H
#define DAEMON_INSTANCE_H

#include "config/config.h"
#include "keeper/message.h"

/* The name that the configuration gives; else the path of its file, from the root on, however it
 * was written; else (file is NULL) the address that it listens on. Symbolic links on the way to the
 * file are not followed: what they lead to may change with an upgrade. Of more bytes than there is
 * room for, the last ones, after a sum over all. */
void instance_name(const struct config *config, const char *file, char ret_name[KEEPER_NAME_MAX]);

#endif
