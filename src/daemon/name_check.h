/* Whether the names of servers can be looked up now. */
#ifndef DAEMON_NAME_CHECK_H
#define DAEMON_NAME_CHECK_H

#include "config/config.h"

/* Warns in finished sentences of names that do not exist, each name once and some of many, and in
 * one sentence of all that got no answer. It takes two seconds at most, and no thread. */
void name_check(const struct config *config, config_warning_fn *on_warning, void *arg);

#endif
