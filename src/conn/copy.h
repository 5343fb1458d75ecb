/* Carrying bytes between sockets, with blocking calls: read what is there, write all of it.
 *
 * Two engines: the buffer (recv, send) is cheapest for messages; the pipe (splice) moves pages
 * inside the kernel, cheapest in bulk. COPY_AUTO changes between three ways:
 * - loan, at first and after bulk: wait for bytes, then borrow a pipe while they last. Waiting
 *   costs no memory but the thread's.
 * - buffer, once messages come quickly: one system call less each.
 * - pipe, while reads come large: kept, so that wait and read are one call.
 * Without a pipe, the buffer serves.
 *
 * Where a side speaks TLS, the third engine does it all (copy_tls.h); with a keeper, the fourth
 * (copy_passage.h). */
#ifndef CONN_COPY_H
#define CONN_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "config/config.h"
#include "conn/copy_passage.h"
#include "conn/copy_tls.h"
#include "conn/pipe_pool.h"

#define COPY_BUFFER_SIZE 16384 /* bytes: most answers fit; larger ones are spliced */

enum copy_way { COPY_WAY_LOAN, COPY_WAY_BUFFER, COPY_WAY_PIPE };

/* One direction. Its pump's alone. */
struct copy {
    bool adapts;                  /* COPY_AUTO */
    const struct kept_pipe *kept; /* for all bytes, or NULL */
    struct copy_tls *tls;         /* does all of it, where a side speaks TLS; or NULL */
    struct copy_passage *passage; /* the same with a keeper; or NULL */
    int from;                     /* the source that was read from last */
    enum copy_way way;
    struct pipe_pool *pipes;
    struct pipe_ends pipe; /* of COPY_WAY_PIPE; of COPY_WAY_LOAN while bytes are in hand */
    char *buffer;          /* COPY_BUFFER_SIZE bytes, the pump's */
    size_t in_hand;        /* read, not written */
    bool in_pipe;          /* where that is */
    size_t in_buffer_at;   /* where the rest begins */
    unsigned streak;       /* how much the last reads favour another way */
    usec_t last;           /* COPY_WAY_LOAN: last message written */
    uint64_t written;      /* bytes, in all */
    uint64_t received;     /* of TLS: bytes on the wire, of the source, in all */
};

/* With a keeper: the connection's own pipe, outliving this process with its contents. */
struct kept_pipe {
    struct pipe_ends ends;
    size_t in_hand;            /* bytes in it at the start */
    uint64_t written;          /* in all, before */
    const _Atomic bool *parks; /* true: stop, all in hand in the pipe */
    _Atomic bool *in_memory;   /* while a byte in hand is not in the pipe */
};

void copy_init_kept(struct copy *copy, const struct kept_pipe *kept, char *buffer);
void copy_init(struct copy *copy, enum copy_mode mode, struct pipe_pool *pipes, char *buffer);
void copy_init_tls(struct copy *copy, struct copy_tls *tls);
/* source: its socket. */
void copy_init_passage(struct copy *copy, struct copy_passage *passage, int source);

/* Gives the pipe back. Bytes in hand are lost: the caller has reset the connection. */
void copy_release(struct copy *copy);

/* Waits for bytes and takes them in hand: how many, 0 at the end of data, or -errno (-EINTR:
 * interrupted, and the kept pipe parks; of TLS also what copy_tls.h says). Only with nothing in
 * hand. */
ssize_t copy_read(struct copy *copy, int from) MUST_USE;

/* Writes all in hand, waiting for room: 0, or -errno with the rest in hand (-EINTR: as above;
 * COPY_UNLIKE: see copy_passage.h). */
int copy_write(struct copy *copy, int to) MUST_USE;

/* A side speaks TLS; of the source: part of a record has come; why a read came to nothing, as
 * copy_tls_why. */
bool copy_speaks_tls(const struct copy *copy);
bool copy_is_torn(const struct copy *copy);
void copy_why(const struct copy *copy, ssize_t n, bool heard, char ret_why[TLS_REASON_MAX]);

/* The source has told its end by itself (TLS: close_notify): no need to ask the kernel. */
bool copy_end_is_sure(const struct copy *copy);

/* The sink speaks TLS, and is to be told of the end by copy_end, and its socket ended at once then
 * (copy_tls.h): 0 or -errno. */
bool copy_tells_end(const struct copy *copy);
int copy_end(struct copy *copy, int to) MUST_USE;

/* One attempt each: bytes moved, 0 at the end of data, or -errno. */
ssize_t copy_buffer_read(struct copy *copy, int from);
ssize_t copy_buffer_write(struct copy *copy, int to);
ssize_t copy_splice_read(struct copy *copy, int from);
ssize_t copy_splice_write(struct copy *copy, int to);

#endif
