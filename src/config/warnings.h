/* What a configuration may have, and its operator perhaps did not mean. */
#ifndef CONFIG_WARNINGS_H
#define CONFIG_WARNINGS_H

#include "config/config.h"

/* Calls on_warning for each such thing. Any thread. */
void warnings_tell(const struct config *config, config_warning_fn *on_warning, void *arg);

/* The same, for what is in order more often than not, so that only who asks for a check is told:
 * an upstream that no listener has may be in reserve, and a private authority need not be in a
 * chain. */
void warnings_tell_asked(const struct config *config, config_warning_fn *on_warning, void *arg);

/* The same, for each address of the status section at which strangers may ask: one that is neither
 * of this machine alone (loopback) nor private, or all there are. Names are not looked up. */
void warnings_tell_public(const struct config *config, config_warning_fn *on_warning, void *arg);

#endif
