/* Carrying bytes from one socket to another, with blocking calls: read what is there, write all of
 * it.
 *
 * Two engines: the buffer (recv, send) is cheapest for messages; the pipe (splice) moves pages
 * inside the kernel and is cheapest in bulk. COPY_AUTO begins with the buffer, changes to the pipe
 * while reads come full, and back when they come small. If no pipe can be had, the buffer serves.
 */
#ifndef RELAY_COPY_H
#define RELAY_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/config.h"
#include "relay/pipe_pool.h"

#define COPY_BUFFER_SIZE                                                                           \
    16384 /* bytes; most answers of most servers fit, and the rest goes by splice */

/* One direction's copying. Its pump's alone. */
struct copy {
    enum copy_mode mode;
    struct pipe_pool *pipes;
    struct pipe_ends pipe; /* there while splicing */
    char *buffer;          /* COPY_BUFFER_SIZE bytes, the pump's */
    size_t in_hand;        /* read and not yet written */
    bool in_pipe;          /* and where that is */
    size_t in_buffer_at;   /* where in the buffer the rest begins */
    unsigned streak;       /* how much the last reads speak for the other engine */
    uint64_t written;      /* bytes, in all */
};

void copy_init(struct copy *copy, enum copy_mode mode, struct pipe_pool *pipes, char *buffer);

/* Gives the pipe back. What was in hand is lost: the caller has reset the connection. */
void copy_release(struct copy *copy);

/* Waits for bytes on the socket and takes them in hand: how many, 0 at the end of data, or -errno.
 * Only with nothing in hand. */
ssize_t copy_read(struct copy *copy, int from) MUST_USE;

/* Writes all that is in hand, waiting for room: 0, or -errno with the rest still in hand. */
int copy_write(struct copy *copy, int to) MUST_USE;

/* The engines, each one attempt: bytes moved, 0 at the end of data, or -errno. */
ssize_t copy_buffer_read(struct copy *copy, int from);
ssize_t copy_buffer_write(struct copy *copy, int to);
ssize_t copy_splice_read(struct copy *copy, int from);
ssize_t copy_splice_write(struct copy *copy, int to);

#endif
