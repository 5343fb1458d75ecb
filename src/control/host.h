/* What a site calls itself. A page of elsewhere that a browser shows may ask here under a name of
 * its own that it has made to stand for this machine (DNS rebinding): that is not answered. */
#ifndef CONTROL_HOST_H
#define CONTROL_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

/* Names written in the addresses it listens on. */
struct hosts {
    char **names;
    size_t n;
};

/* Copies it. False: no memory. */
bool hosts_add(struct hosts *hosts, const char *name) MUST_USE;
void hosts_free(struct hosts *hosts);

/* Whether a Host field (RFC 9110, 7.2) is an IP address, localhost, this machine's name, or one of
 * the names; with a port or without. Pure, but for the machine's name. */
bool hosts_have(const struct hosts *hosts, const char *field);

#endif
