/* Buffers for records, lent for as long as bytes are in hand: an idle connection has none, and the
 * next to be lent is the one that was used last, which the processor has still at hand. */
#ifndef CONN_TLS_BUFFERS_H
#define CONN_TLS_BUFFERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/sync.h"
#include "wire/tls_record.h"

/* This many full records are read or written by one system call. What was read fits again when it
 * has been sealed in records that add more to it. */
#define TLS_BUFFER_RECORDS 8
#define TLS_BUFFER_READ    (TLS_BUFFER_RECORDS * (size_t)TLS_WIRE_MAX)
#define TLS_BUFFER_SIZE                                                                            \
    (TLS_BUFFER_READ + (TLS_BUFFER_RECORDS + 1) * (TLS_BEFORE_MAX + TLS_AFTER_MAX))

/* Pieces of it that are in hand: each record that was opened, or place that was read into. */
#define TLS_BUFFER_PIECES 32

#define TLS_BUFFERS_KEPT 128 /* that nobody has lent, 17 MB at most */

struct tls_buffer {
    uint8_t bytes[TLS_BUFFER_SIZE]; /* first: aligned for the cipher */
    struct iovec pieces[TLS_BUFFER_PIECES];
};

struct tls_buffers {
    struct lock lock;
    size_t n_free GUARDED;
    size_t fewest GUARDED; /* that were free since the last trim: nobody has needed these */
    struct tls_buffer *free[TLS_BUFFERS_KEPT] GUARDED; /* the last one put back at the end */
};

void tls_buffers_init(struct tls_buffers *buffers);
void tls_buffers_destroy(struct tls_buffers *buffers); /* all must be back */

/* With whatever is in it. NULL: no memory. Any thread. */
struct tls_buffer *tls_buffers_get(struct tls_buffers *buffers) MUST_USE;

/* NULL is fine. */
void tls_buffers_put(struct tls_buffers *buffers, struct tls_buffer *buffer);

/* Frees those that nobody has needed since the last time. */
void tls_buffers_trim(struct tls_buffers *buffers);

#endif
