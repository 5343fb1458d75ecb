/* Carrying bytes from or to a peer that speaks TLS: the third copy engine. Reads whole records,
 * opens them where they lie; reads plain bytes to where they become records, seals them there; and
 * sends all of it in one call.
 *
 * rest_opened: what was opened is delivered before what came behind it is looked at. So a bad
 * record, or the end, is met when nothing is in hand. */
#ifndef CONN_COPY_TLS_H
#define CONN_COPY_TLS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "conn/tls_buffers.h"
#include "tls/alert.h"

struct tls_session; /* tls/session.h */

struct copy_tls {
    struct tls_session *from, *to; /* NULL: that side is plain */
    struct tls_buffers *buffers;
    _Atomic usec_t *active; /* clock_coarse() of the last byte that came, of half a record, too */
    struct tls_buffer *in;  /* read into; NULL: nothing is in hand */
    struct tls_buffer *out; /* sealed in, where both sides are TLS */
    size_t have_at, have;   /* of `in`: records not yet opened, from have_at to have */
    size_t n_pieces, piece; /* of `in`: how many there are, and the first one not yet written */
    uint8_t alert;          /* of the source, that came last */
    int over;               /* rest_opened: 0, or what the next read returns; 1: close_notify */
    unsigned streak;        /* messages that came quickly, one after the other */
    usec_t last;            /* message written */
    int source;             /* the socket that was read from last */
    int timed;              /* the source, whose reads end by themselves now; or -1 */
    bool heeds;             /* a read that is interrupted returns -EINTR; else it goes on */
};

/* How a read comes to nothing, besides 0 (close_notify, or the end of a plain side) and -errno; the
 * socket may have any errno of its own, and none is as large (MAX_ERRNO is 4095). */
#define COPY_CUT     (-4096) /* the end of data without close_notify */
#define COPY_BROKEN  (-4097) /* a record that breaks the rules; an alert was sent */
#define COPY_ALERTED (-4098) /* the peer has sent a fatal alert */

/* from, to: the sessions of source and sink, one of them may be NULL. active: the flow's. */
void copy_tls_init(struct copy_tls *copy, struct tls_session *from, struct tls_session *to,
                   struct tls_buffers *buffers, _Atomic usec_t *active);
void copy_tls_release(struct copy_tls *copy);

/* Waits for bytes, and takes them in hand: how many, and in *ret_wire how many bytes on the wire
 * that took. Or 0, -errno (-ENOMEM: no buffer), or one of the above. Only with nothing in hand. */
ssize_t copy_tls_read(struct copy_tls *copy, int from, size_t *ret_wire) MUST_USE;

/* Of a read (n: what it returned) that came to nothing but an end in order: what is known of why, a
 * clause or "". alert: that the source has sent. heard: data has come from it; until then a server
 * that has asked for our certificate may mean that (TLS 1.3 tells after the handshake). */
void copy_tls_why(const struct tls_session *from, uint8_t alert, ssize_t n, bool heard,
                  char ret_why[TLS_REASON_MAX]);

/* Writes what is in hand. *ret_written grows by what of it was written. 0 or -errno. */
int copy_tls_write(struct copy_tls *copy, int to, uint64_t *ret_written) MUST_USE;

/* What was opened and not yet taken is in hand. */
static inline bool copy_tls_has_opened(const struct copy_tls *copy) {
    return copy->piece < copy->n_pieces;
}

/* Moves up to n bytes of what is in hand. How many. */
size_t copy_tls_take(struct copy_tls *copy, char *to, size_t n);

/* Part of a record has come. */
static inline bool copy_tls_is_torn(const struct copy_tls *copy) {
    return copy->have_at < copy->have;
}

/* Tells a sink that speaks TLS that this was all. The caller ends the socket at once: until then it
 * may be held (MSG_MORE). 0 or -errno. */
int copy_tls_end(struct copy_tls *copy, int to) MUST_USE;

#endif
