/* The PROXY protocol on both sides of a connection: a header that a balancer sent before the client's first byte, and
 * one that the server is to be sent. A worker's work. */
#ifndef RELAY_GREET_H
#define RELAY_GREET_H

#include "base/proxy_protocol.h"
#include "relay/job.h"

/* Reads the header that the client's balancer must have sent, to its last byte and no further, within the listener's
 * proxy_timeout. If it says whom it speaks for, that is the record's client from now on. 0; or END_HEADER_BAD,
 * END_HEADER_TIMEOUT, or END_STOPPED, with *ret_why (a constant clause, or NULL). stop: see dial. */
int greet_read(struct job *job, const _Atomic bool *stop, const char **ret_why) MUST_USE;

/* Writes a header to a server that was just dialled. 0 or -errno. */
int greet_server(struct job *job, enum proxy_version version, int server) MUST_USE;

#endif
