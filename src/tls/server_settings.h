/* The settings of a listener's TLS, copied. Any thread. */
#ifndef TLS_SERVER_SETTINGS_H
#define TLS_SERVER_SETTINGS_H

#include <stdbool.h>

#include "base/check.h"
#include "tls/server.h"

/* False: no memory; server_settings_free in either case. */
bool server_settings_copy(const struct tls_server_settings *from,
                          struct tls_server_settings *ret) MUST_USE;

/* Those of a copy. A zeroed one is fine. */
void server_settings_free(struct tls_server_settings *settings);

#endif
