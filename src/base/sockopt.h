/* Socket options that every relayed connection has. */
#ifndef BASE_SOCKOPT_H
#define BASE_SOCKOPT_H

#include "base/check.h"
#include "base/clock.h"

/* Sets TCP_NODELAY, SO_OOBINLINE, keep-alive, and SO_LINGER of 0, by which a close before the end
 * of data was passed on resets (socket(7)): no cut-off transfer looks complete, even if this
 * process is killed. keepalive: idle time before the first probe, 0: off; a dead peer is noticed
 * after about twice that. Where a window is closed or bytes are in flight (in_flight in
 * conn_review.c), the kernel (from 6.15) asks after a fourth of it, not two minutes. At most 256
 * KiB (client) or 1 MiB (server), not 4 MiB, wait for a peer that takes nothing
 * (TCP_NOTSENT_LOWAT). Ignores errors: unix sockets have none of these, none is vital.
 *
 * A client may be a listening socket: what it accepts inherits all. */
void sockopt_set_client(int fd, usec_t keepalive);
void sockopt_set_server(int fd, usec_t keepalive);

/* As the kernel counts, in whole seconds. */
usec_t sockopt_keepalive(usec_t keepalive);

/* Before the close of a socket given its end: what is on its way arrives. */
void sockopt_set_for_end(int fd);

/* A new socket takes n bytes at once, as far as wmem_max allows. */
void sockopt_make_room(int fd, size_t n);

/* Of a unix socket: where MSG_PEEK begins; -1: at the first byte, as at first. 0 or -errno. */
int sockopt_set_peek_offset(int fd, int offset) MUST_USE;

/* SO_RCVTIMEO; span 0: for ever. 0 or -errno. */
int sockopt_set_receive_timeout(int fd, usec_t span) MUST_USE;

/* SO_SNDTIMEO, which bounds connect(2), too; likewise. */
int sockopt_set_send_timeout(int fd, usec_t span) MUST_USE;

#endif
