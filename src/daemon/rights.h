/* What a configuration asks for that relayd will not be allowed to do. */
#ifndef DAEMON_RIGHTS_H
#define DAEMON_RIGHTS_H

#include <stdbool.h>

#include "config/config.h"

/* Warns in finished sentences of what is forbidden to relayd.service, if that runs with this file
 * (service) and systemd answers within two seconds; else to this process. */
void rights_check(const struct config *config, bool service, config_warning_fn *on_warning,
                  void *arg);

#endif
