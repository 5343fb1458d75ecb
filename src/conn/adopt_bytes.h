/* How many bytes a direction has carried, asked of the kernel: the process before may have been
 * killed after a write and before it noted that. */
#ifndef CONN_ADOPT_BYTES_H
#define CONN_ADOPT_BYTES_H

#include "conn/conn.h"

/* What a socket that nobody has read from meanwhile tells of itself: whether it is of TCP and can
 * be asked, and whether something waits to be read: bytes or, of TCP, an end or a reset. */
struct adopt_sight {
    bool tcp;
    bool arrived;
};

struct adopt_sight adopt_look(int fd);

/* What was written to the sink; of unix sockets, what was noted. in_pipe: bytes that were read and
 * not yet written. */
uint64_t adopt_bytes(const struct conn *conn, enum direction dir, size_t in_pipe);

#endif
