/* Redirects that lead a client back to where it was redirected. */
#ifndef CONFIG_REDIRECT_RING_H
#define CONFIG_REDIRECT_RING_H

#include "config/config.h"

/* Warns of each redirect, of a route or of a listener, that takes its own clients again, for ever.
 * Of a URL with a host only where a pattern names that host, since whoever else has it is not
 * known. Any thread. */
void redirect_ring_warn(const struct config *config, config_warning_fn *on_warning, void *arg);

#endif
