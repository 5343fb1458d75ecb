/* Carrying bytes from or to a peer that speaks TLS: the third copy engine. Reads whole records,
 * opens them where they lie; reads plain bytes to where they become records, seals them there; and
 * sends all of it in one call.
 *
 * rest_opened: what was opened is delivered before what came behind it is looked at. So a bad
 * record, or the end, is met when nothing is in hand. */
#ifndef CONN_COPY_TLS_H
#define CONN_COPY_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "conn/tls_buffers.h"

struct tls_session; /* tls/session.h */

struct copy_tls {
    struct tls_session *from, *to; /* NULL: that side is plain */
    struct tls_buffers *buffers;
    _Atomic usec_t *active; /* clock_coarse() of the last byte that came, of half a record, too */
    struct tls_buffer *in;  /* read into; NULL: nothing is in hand */
    struct tls_buffer *out; /* sealed in, where both sides are TLS */
    size_t have_at, have;   /* of `in`: records not yet opened, from have_at to have */
    size_t n_pieces, piece; /* of `in`: how many there are, and the first one not yet written */
    int over;               /* rest_opened: 0, or what the next read returns; 1: close_notify */
    unsigned streak;        /* messages that came quickly, one after the other */
    usec_t last;            /* message written */
    int source;             /* the socket that was read from last */
    int timed;              /* the source, whose reads end by themselves now; or -1 */
};

/* How a read comes to nothing, besides 0 (close_notify, or the end of a plain side) and -errno. */
#define COPY_CUT     (-ENODATA)      /* the end of data without close_notify */
#define COPY_BROKEN  (-EPROTO)       /* a record that breaks the rules; an alert was sent */
#define COPY_ALERTED (-ECONNABORTED) /* the peer has sent a fatal alert */

/* from, to: the sessions of source and sink, one of them may be NULL. active: the flow's. */
void copy_tls_init(struct copy_tls *copy, struct tls_session *from, struct tls_session *to,
                   struct tls_buffers *buffers, _Atomic usec_t *active);
void copy_tls_release(struct copy_tls *copy);

/* Waits for bytes, and takes them in hand: how many, and in *ret_wire how many bytes on the wire
 * that took. Or 0, -errno (-ENOMEM: no buffer), or one of the above. Only with nothing in hand. */
ssize_t copy_tls_read(struct copy_tls *copy, int from, size_t *ret_wire) MUST_USE;

/* Writes what is in hand. *ret_written grows by what of it was written. 0 or -errno. */
int copy_tls_write(struct copy_tls *copy, int to, uint64_t *ret_written) MUST_USE;

/* Part of a record has come. */
bool copy_tls_is_torn(const struct copy_tls *copy);

/* Tells a sink that speaks TLS that this was all. 0 or -errno. */
int copy_tls_end(struct copy_tls *copy, int to) MUST_USE;

#endif
