/* The PROXY protocol: the header that a balancer sends before its client's first byte, and the one
 * that a server is sent. */
#ifndef ROAD_GREET_H
#define ROAD_GREET_H

#include "road/opening.h"
#include "wire/proxy_protocol.h"

/* An opener's. Takes the header, to its last byte and no further, within proxy_timeout of the
 * accept and the opening's deadline. The client that it names is the record's from now on.
 * END_NONE; or END_HEADER_BAD, END_HEADER_TIMEOUT, END_PUT_OUT or END_STOPPED, with *ret_why a
 * constant clause, or untouched. */
enum end greet_read(struct opening *opening, const char **ret_why) MUST_USE;

/* A worker's. Sends the header to a server that was just connected. 0 or -errno. */
int greet_server(struct job *job, enum proxy_version version, int server) MUST_USE;

#endif
