/* How many bytes a direction has carried, asked of the kernel: the process before may have been killed after a write and
 * before it noted that. */
#ifndef RELAY_ADOPT_COUNT_H
#define RELAY_ADOPT_COUNT_H

#include "relay/conn.h"

/* A TCP socket, that is, one which can be asked. */
bool adopt_is_tcp(int fd);

/* Whether something waits to be read from it: bytes or, of a TCP socket, an end or a reset. */
bool adopt_has_arrived(int fd);

/* What was written to the sink; of unix sockets, what was noted. in_pipe: bytes that were read and not yet written. */
uint64_t adopt_count(const struct conn *conn, enum direction dir, size_t in_pipe);

#endif
