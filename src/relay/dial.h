/* Reaching a server of an upstream: choose, look up, connect. Blocks its worker for as long as the
 * configuration allows: at most connect_attempts times connect_timeout, and connect_timeout more
 * for a name whose first answer is not there yet. */
#ifndef RELAY_DIAL_H
#define RELAY_DIAL_H

#include <stdbool.h>

#include "relay/record.h"
#include "upstream/upstream.h"

enum dial_outcome {
    DIAL_OK = 0,
    DIAL_REFUSED,   /* every attempt failed at once */
    DIAL_TIMED_OUT, /* the last attempt met connect_timeout */
    DIAL_NO_NAME,   /* no address is known */
    DIAL_NO_SOCKET, /* the machine has no descriptor, port or memory for it */
    DIAL_STOPPED,   /* *stop became true (the worker is interrupted, see base/thread.h) */
};

/* Dials. On DIAL_OK *ret_fd is a connected, blocking socket, the caller's. In any case
 * record->server, server_addr and error say what was tried last. keepalive: see tune.h. */
enum dial_outcome dial(struct upstream *upstream, usec_t keepalive, const _Atomic bool *stop,
                       struct record *record, int *ret_fd) MUST_USE;

#endif
