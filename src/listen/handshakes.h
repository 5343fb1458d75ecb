/* TCP handshakes that are under way: a client has asked to connect, and the last packet has yet to
 * come. */
#ifndef LISTEN_HANDSHAKES_H
#define LISTEN_HANDSHAKES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* The local ports that have any. */
struct handshakes {
    uint64_t ports[65536 / 64];
};

/* Adds those of the sockets of this family (AF_INET; AF_INET6, some of which take IPv4 as well) in
 * the whole network that this process sees; what has not been read by the deadline is not known of.
 * The kernel's list is long where there are many connections: a few microseconds for each. Any
 * thread. */
void handshakes_look(struct handshakes *handshakes, int family, usec_t deadline);

bool handshakes_any(const struct handshakes *handshakes, unsigned port);

#endif
