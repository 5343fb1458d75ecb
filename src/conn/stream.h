/* The bytes of one side, with TLS or without, as an exchange of HTTP reads and writes them: in
 * pieces of its own choice, not all that comes. */
#ifndef CONN_STREAM_H
#define CONN_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "conn/copy_passage.h"
#include "conn/copy_tls.h"

#define STREAM_SLACK TLS_WIRE_MAX /* a record that is kept is whole */

/* Its reader's alone.
 *
 * kept: With a keeper, what comes is looked at, and stays in the socket until what was made of it
 * is noted and sent (stream_settle; record/passage.h). Bytes that must be off the socket before
 * more can be waited for are stored: in memory that outlives the process. */
struct stream {
    int fd;
    struct copy_tls *tls;      /* opens the records; NULL: the side is plain, or kept */
    struct copy_passage *kept; /* or NULL */
    char *bytes;               /* `size` of them, the pump's */
    size_t size;
    size_t at, have;   /* in hand: from bytes[at] to before bytes[have] */
    uint64_t received; /* on the wire, since it began */
    /* Of what is kept; first come `stored` bytes, then `fresh` ones: */
    size_t taken;      /* of these: taken since it was settled */
    size_t stored;     /* off the socket */
    size_t fresh;      /* on it, */
    size_t fresh_wire; /* as so many bytes on the wire, */
    size_t skip;       /* behind so many that are done with (TLS) */
    uint64_t wire;     /* off the socket so far, in all */
};

/* session: of the side; NULL: plain. tls: the pump's room for it. */
void stream_begin(struct stream *stream, int fd, struct tls_session *session, struct copy_tls *tls,
                  struct tls_buffers *buffers, _Atomic usec_t *active, char *bytes, size_t size);
/* Gives lent buffers back; what is in hand is lost. */
void stream_end(struct stream *stream);

static inline const char *stream_first(const struct stream *stream) {
    return stream->bytes + stream->at;
}

static inline size_t stream_in_hand(const struct stream *stream) {
    return stream->have - stream->at;
}

/* The same, of which what comes is kept. kept: of its direction; wire, skip, stored: where the mark
 * says that it is; the stored bytes are the first of `bytes`. */
void stream_begin_kept(struct stream *stream, int fd, struct copy_passage *kept, char *bytes,
                       size_t size, uint64_t wire, size_t skip, size_t stored);

static inline bool stream_speaks_tls(const struct stream *stream) {
    return stream->tls != NULL || (stream->kept != NULL && stream->kept->from != NULL);
}

/* Of its source: NULL: it is plain; and the alert that it has sent. */
static inline const struct tls_session *stream_session(const struct stream *stream) {
    return stream->tls != NULL    ? stream->tls->from
           : stream->kept != NULL ? stream->kept->from
                                  : NULL;
}

static inline uint8_t stream_alert(const struct stream *stream) {
    return stream->tls != NULL ? stream->tls->alert : stream->kept->alert;
}

/* Bytes have come that were not asked for yet. */
static inline bool stream_has_more(const struct stream *stream) {
    return stream_in_hand(stream) > 0 || (stream->tls != NULL && copy_tls_has_opened(stream->tls));
}

/* Part of a record has come, that is kept, and will not be whole. */
static inline bool stream_is_torn(const struct stream *stream) {
    return stream->kept != NULL && stream->kept->torn;
}

/* Nor has part of a record come. Of what is kept, it may be in the stash, and off the socket. */
static inline bool stream_is_empty(const struct stream *stream) {
    return !stream_has_more(stream) && !(stream->tls != NULL && copy_tls_is_torn(stream->tls)) &&
           !(stream->kept != NULL && (stream->kept->torn || stream->kept->taken > 0));
}

/* Part of what will come next is done with: nobody else may read it. Of what is kept. */
static inline bool stream_is_within(const struct stream *stream) {
    return stream->skip > 0;
}

/* n bytes in hand are done with; they stay where they are until stream_compact. */
static inline void stream_take(struct stream *stream, size_t n) {
    stream->at += n;
    stream->taken += n;
}

/* Where the source stands once that is settled, with what is in hand then. */
void stream_mark(const struct stream *stream, struct passage_mark *mark);
/* What was taken is off the socket. The mark is in force. */
void stream_settle(struct stream *stream);

/* Moves all that is in hand to `bytes`, memory that outlives the process, which are the stream's
 * from now on; from the front. Nothing is taken and not settled. Of a stream that is kept. */
void stream_move(struct stream *stream, char *bytes);
/* As stream_mark and stream_settle, where all that is in hand becomes stored. */
void stream_mark_stored(const struct stream *stream, struct passage_mark *mark);
void stream_settle_stored(struct stream *stream);

/* Room for more behind what is in hand. */
static inline size_t stream_room(const struct stream *stream) {
    return stream->size > stream->have ? stream->size - stream->have : 0;
}

/* Makes all the room there can be: pointers to what is in hand change. */
void stream_compact(struct stream *stream);

/* Waits for more and puts it behind what is in hand; there is room, and of what is kept nothing is
 * fresh; there is STREAM_SLACK more room then. How many bytes; 0 at the end of
 * data; or -errno (-EINTR: an interrupt, and nothing is lost), or as copy_tls.h says. */
ssize_t stream_fill(struct stream *stream) MUST_USE;

/* The end that was met is told by the peer itself (TLS: close_notify). */
static inline bool stream_end_is_sure(const struct stream *stream) {
    return stream_speaks_tls(stream);
}

/* Sends all of it. tls: the side's session, or NULL. `parts` are used up. *ret_sent grows by what
 * was sent (TLS: of whole calls). 0 or -errno: an error of the side, or no memory. */
int stream_send(int fd, struct tls_session *tls, struct tls_buffers *buffers, struct iovec *parts,
                size_t n, uint64_t *ret_sent) MUST_USE;

/* close_notify, where the side speaks TLS. */
int stream_send_end(int fd, struct tls_session *tls) MUST_USE;

#endif
