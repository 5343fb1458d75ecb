/* One connection, as text: what GET /connection answers. relayctl's. */
#ifndef RELAYCTL_CONNECTION_H
#define RELAYCTL_CONNECTION_H

#include <jansson.h>
#include <stdbool.h>

#include "base/check.h"

/* Writes it line by line, of 80 columns unless names are long. False: it is not what a relayd says;
 * nothing was written. */
bool connection_write(const json_t *connection, void (*write)(void *arg, const char *line),
                      void *arg) MUST_USE;

#endif
