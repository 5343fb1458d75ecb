/* What a configuration may have and its operator may not have meant. */
#ifndef CONFIG_WARNINGS_H
#define CONFIG_WARNINGS_H

#include "config/config.h"

/* Calls on_warning for each thing that is allowed and may not be meant, as config_load does for
 * errors. Any thread. */
void warnings_tell(const struct config *config, config_error_fn *on_warning, void *arg);

#endif
