/* How many bytes have gone over a socket of TCP: the kernel's own count, which outlives whoever has
 * read and written them. */
#ifndef CONN_WIRE_COUNT_H
#define CONN_WIRE_COUNT_H

#include <stdbool.h>
#include <stdint.h>

/* Given to it for sending, in all; the SYN of a dialled one counts as the first. Nobody writes
 * meanwhile. False: it can send no more, or is no socket of TCP. */
bool wire_count_sent(int fd, uint64_t *ret);

/* Taken from it, in all; without an end of data, and what is still to be read. Nobody reads
 * meanwhile. False: it was reset, or is no socket of TCP. */
bool wire_count_taken(int fd, uint64_t *ret);

/* Whether it has come to its end both ways, or was reset: it takes nothing any more. What had come
 * before can still be read: ret_taken is as above, but that an end of data, if one came, counts as
 * a byte. False also of what is no socket of TCP. */
bool wire_is_closed(int fd, uint64_t *ret_taken);

/* Nothing more can be sent: it was closed, or shut for writing. Of TCP. */
bool wire_is_shut(int fd);

#endif
