/* Reads a balancer's PROXY header, and sends one to a server. */
#ifndef ROAD_GREET_H
#define ROAD_GREET_H

#include "road/opening.h"
#include "wire/proxy_protocol.h"

/* An opener's. Takes the header, and no byte more, within proxy_timeout of the accept and the
 * opening's deadline. The record gets the client that it names. END_NONE; or END_HEADER_BAD,
 * END_HEADER_TIMEOUT, END_PUT_OUT or END_STOPPED, with *ret_why a constant clause, or untouched. */
enum end greet_read(struct opening *opening, const char **ret_why) MUST_USE;

/* A worker's. 0 or -errno. */
int greet_server(struct job *job, enum proxy_version version, int server) MUST_USE;

#endif
