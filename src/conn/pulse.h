/* What the kernel knows of the peer of a socket. */
#ifndef CONN_PULSE_H
#define CONN_PULSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct pulse {
    bool tcp;
    /* bytes, or the end of data, that the peer has not taken: sent, or only queued */
    bool on_its_way;
    bool unsent;     /* of TCP: bytes for which there is no room on the way or at the peer */
    uint64_t taken;  /* a number that changes whenever it takes some; of TCP, a count of bytes */
    bool unanswered; /* something was sent to it, perhaps again and again, and nothing came since */
    usec_t heard_of; /* how long ago it was last heard of */
    bool closed;     /* a TCP connection that is over: by an end on both sides, or by an error */
};

/* Asks for all of it. A peer over a unix socket always answers. */
struct pulse pulse_take(int fd);

/* Whether a peer that has ended its data is gone: the errno, or 0. For a socket that nobody reads
 * any more; whoever writes to it may not be told after that. */
int pulse_gone(int fd);

/* What a socket has failed of: the errno, or 0. No other thread is told of it after that. */
int pulse_error(int fd);

#endif
