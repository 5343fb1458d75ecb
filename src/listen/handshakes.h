/* TCP handshakes under way: the client's last packet is still to come. */
#ifndef LISTEN_HANDSHAKES_H
#define LISTEN_HANDSHAKES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* The local ports that have some. */
struct handshakes {
    uint64_t ports[65536 / 64];
};

/* Adds those of this family (AF_INET; AF_INET6, whose sockets may take IPv4, too) in this network
 * namespace; what is not read by the deadline is left out. The kernel's list takes a few
 * microseconds for each. Any thread. */
void handshakes_look(struct handshakes *handshakes, int family, usec_t deadline);

bool handshakes_any(const struct handshakes *handshakes, unsigned port);

#endif
