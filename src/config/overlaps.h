/* Addresses that cannot be listened on together. */
#ifndef CONFIG_OVERLAPS_H
#define CONFIG_OVERLAPS_H

#include "config/config.h"

/* Warns of each address that overlaps with one for every address of its port, as 127.0.0.1:80 with
 * 0.0.0.0:80, and of those of the status section that do with any: relayd would not start. Names
 * are not looked up. */
void overlaps_warn(const struct config *config, config_warning_fn *on_warning, void *arg);

#endif
