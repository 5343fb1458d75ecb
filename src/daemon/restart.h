/* Whether this process was told to end because it is being restarted. */
#ifndef DAEMON_RESTART_H
#define DAEMON_RESTART_H

#include <stdbool.h>

/* What systemd's job for this unit is, asked over D-Bus; waits two seconds at most. False: it is a
 * stop, or nobody can be asked. */
bool restart_is_under_way(void);

#endif
