/* How many bytes a direction has carried, asked of the kernel: the previous process may have been
 * killed between a write and its note of it. */
#ifndef CONN_ADOPT_BYTES_H
#define CONN_ADOPT_BYTES_H

#include "conn/conn.h"

/* What a socket tells before anybody reads from it: whether it is of TCP, and whether something
 * waits to be read: bytes or, of TCP, an end or a reset. */
struct adopt_sight {
    bool tcp;
    bool arrived;
};

struct adopt_sight adopt_look(int fd);

/* What was written to the sink; for unix sockets, what was noted. in_pipe: bytes read and not yet
 * written. */
uint64_t adopt_bytes(const struct conn *conn, enum direction dir, size_t in_pipe);

/* What was read from the client, behind record.header; of a unix socket 0. */
uint64_t adopt_taken(const struct conn *conn);

#endif
