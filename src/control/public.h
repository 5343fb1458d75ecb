/* The status section: how relayd is, for whoever can connect; by GET alone, and without addresses
 * of clients unless clients = true. */
#ifndef CONTROL_PUBLIC_H
#define CONTROL_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/check.h"
#include "relay/relay.h"

struct public_site;

/* Opens, moves or closes its sockets, as the configuration says; *site: the one before, or NULL.
 * False: one cannot be had, *ret_why is a finished sentence, and the one before stays. Main's. */
bool public_use(struct public_site **site, struct relay *relay, const struct config *config,
                time_t since, char *ret_why, size_t size) MUST_USE;

/* That it may have open at once. */
size_t public_descriptors(const struct config *config);

/* Before relay_free. NULL is fine. */
void public_close(struct public_site *site);

#endif
