/* Socket options that every relayed connection has. */
#ifndef BASE_SOCKOPT_H
#define BASE_SOCKOPT_H

#include "base/check.h"
#include "base/clock.h"

/* TCP_NODELAY, SO_OOBINLINE, keep-alive, and SO_LINGER of 0: a close that comes before the end of
 * data was passed on, as when this process is killed, is a reset (socket(7)), and no cut-off
 * transfer looks complete. keepalive: idle time before the first probe, 0 is off; a dead peer is
 * noticed after about twice that. So that one whose window is closed, or to which bytes are in
 * flight, is asked often enough to tell whether it lives (in_flight in conn_review.c), the kernel
 * (since 6.15) asks at a fourth of keepalive at the latest, and not at two minutes. No more than
 * 256 KiB (a client) or 1 MiB (a server) wait in the socket for room at a peer that takes nothing,
 * in place of 4 MiB (TCP_NOTSENT_LOWAT; ip-sysctl, tcp_notsent_lowat). Errors are ignored: a unix
 * socket has none of these, and none is vital.
 *
 * A client may also be a listening socket: those that it accepts inherit all of it (Linux clones
 * the socket). */
void sockopt_set_client(int fd, usec_t keepalive);
void sockopt_set_server(int fd, usec_t keepalive);

/* As the kernel counts it: in whole seconds. */
usec_t sockopt_keepalive(usec_t keepalive);

/* Before the close of a socket that was given its end: what is still on its way arrives. */
void sockopt_set_for_end(int fd);

/* How long a recv may wait (SO_RCVTIMEO); 0: for ever. 0 or -errno. */
int sockopt_set_receive_timeout(int fd, usec_t span) MUST_USE;

#endif
