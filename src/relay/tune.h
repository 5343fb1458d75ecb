/* Socket options that every relayed connection has. */
#ifndef RELAY_TUNE_H
#define RELAY_TUNE_H

#include "base/clock.h"

/* TCP_NODELAY, SO_OOBINLINE and keep-alive. On a listening socket, for the sockets that it accepts inherit them
 * (Linux clones the socket). keepalive: idle time before the first probe, 0 is off; a dead peer is
 * noticed after about twice that. Errors are ignored: a unix socket has none of these, and none is
 * vital. */
void tune_socket(int fd, usec_t keepalive);

#endif
