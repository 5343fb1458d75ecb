/* Whether the addresses of listeners could be had now, each and together: what a start would find
 * out once names are looked up and paths are followed. */
#ifndef DAEMON_ADDRESS_CHECK_H
#define DAEMON_ADDRESS_CHECK_H

#include "config/config.h"

/* Warns in finished sentences of names that have no address, of addresses that this machine does
 * not have, of two that are one in the end, and of servers that are relayd itself. What overlaps as
 * it is written has been told before (config/overlaps.h). Names take two seconds at most: the
 * process ends soon, and a thread may be left behind. */
void address_check(struct config *config, config_warning_fn *on_warning, void *arg);

#endif
