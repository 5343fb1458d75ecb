/* Is this process's stop a restart? */
#ifndef DAEMON_RESTART_H
#define DAEMON_RESTART_H

#include <stdbool.h>

/* Asks systemd over D-Bus, for two seconds at most. False: a stop, or no answer. */
bool restart_is_under_way(void);

#endif
