/* A socket of which bytes are looked at first, and taken off later (record/passage.h). */
#ifndef CONN_SOURCE_H
#define CONN_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Of TCP; else it is a unix socket, which cannot be waited on for more than what it has. */
bool source_is_tcp(int fd);

/* Takes n bytes off it that have been looked at. If it was reset meanwhile they are gone, which its
 * next reader is told. dir: for tests, of its connection. */
void source_discard(int fd, bool tcp, size_t n, unsigned dir);

/* Of TCP: waits until n bytes are there to be looked at, and copies none. How many are, fewer if it
 * ends, is interrupted, or SO_RCVTIMEO is over; 0 at the end of data; or -1 with errno. */
ssize_t source_await(int fd, size_t n);

#endif
