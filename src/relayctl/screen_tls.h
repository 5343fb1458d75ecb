/* What relayctl prints of TLS. */
#ifndef RELAYCTL_SCREEN_TLS_H
#define RELAYCTL_SCREEN_TLS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/check.h"

/* As those of screens.h. */
bool screen_certificates(const json_t *certificates, FILE *out) MUST_USE;

/* Of a listener's, and an upstream's, object of /status: a line such as "TLS, clients' certificates
 * required, www.example +2 until 2027-02-28 (89 days)"; "": it has no TLS. Return buf. */
const char *screen_listener_tls(const json_t *listener, char *buf, size_t size);
const char *screen_upstream_tls(const json_t *upstream, char *buf, size_t size);

#endif
