/* What relayd will not be allowed to do that its configuration asks for, as far as that can be
 * known beforehand. */
#ifndef DAEMON_RIGHTS_H
#define DAEMON_RIGHTS_H

#include <stdbool.h>

#include "config/config.h"

/* Says, in finished sentences, what will be forbidden: to relayd.service, if that runs with this
 * file (service) and systemd tells of it, which is waited for two seconds at most; else to this
 * process. on_warning gets arg. */
void rights_check(const struct config *config, bool service, config_error_fn *on_warning,
                  void *arg);

#endif
