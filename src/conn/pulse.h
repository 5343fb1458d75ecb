/* What the kernel knows of the peer of a socket. */
#ifndef CONN_PULSE_H
#define CONN_PULSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct pulse {
    bool tcp;
    /* the peer has not taken all bytes, or the end: sent or queued */
    bool on_its_way;
    bool unsent;     /* of TCP: bytes that find no room on the way or at the peer */
    uint64_t taken;  /* changes whenever it takes some; of TCP, a count of bytes */
    bool unanswered; /* something was sent, perhaps repeatedly, and nothing came since */
    usec_t heard_of; /* how long ago it was last heard of */
    bool closed;     /* TCP: it is over, by an end on both sides or an error */
};

/* Asks the kernel. A peer over a unix socket always answers. */
struct pulse pulse_take(int fd);

/* Whether a peer that has ended its data is gone: the errno, or 0. Only if nobody reads the socket
 * any more; its writer may not be told after that. */
int pulse_gone(int fd);

/* What a socket of TCP has failed of: the errno, or 0. No other thread is told after that. */
int pulse_error(int fd);

#endif
