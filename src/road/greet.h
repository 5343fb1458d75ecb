/* The PROXY protocol on both sides of a connection: a header that a balancer sent before the
 * client's first byte, which an opener reads, and one that the server is to be sent, which a worker
 * writes. */
#ifndef ROAD_GREET_H
#define ROAD_GREET_H

#include "road/opening.h"
#include "wire/proxy_protocol.h"

/* Reads the header that the client's balancer must have sent, to its last byte and no further,
 * within proxy_timeout of the accept, and the opening's deadline. If it says whom it speaks for,
 * that is the record's client from now on. END_NONE; or END_HEADER_BAD, END_HEADER_TIMEOUT,
 * END_PUT_OUT or END_STOPPED, with *ret_why (a constant clause, or NULL). */
enum end greet_read(struct opening *opening, const char **ret_why) MUST_USE;

/* Writes a header to a server that was just dialled. 0 or -errno. */
int greet_server(struct job *job, enum proxy_version version, int server) MUST_USE;

#endif
