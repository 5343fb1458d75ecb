#include "conn/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "conn/source.h"
#include "conn/stream_tls.h"
#include "conn/unsent.h"
#include "tls/session.h"

void stream_begin(struct stream *stream, int fd, struct tls_session *session, struct copy_tls *tls,
                  struct tls_buffers *buffers, _Atomic usec_t *active, char *bytes, size_t size) {
    *stream = (struct stream){.fd = fd, .bytes = bytes, .size = size};
    if (session != NULL) {
        copy_tls_init(tls, session, NULL, buffers, active);
        tls->heeds = true;
        stream->tls = tls;
    }
}

void stream_begin_kept(struct stream *stream, int fd, struct copy_passage *kept, char *bytes,
                       size_t size, uint64_t wire, size_t skip, size_t stored) {
    *stream = (struct stream){.fd = fd,
                              .kept = kept,
                              .bytes = bytes,
                              .size = size,
                              .have = stored,
                              .stored = stored,
                              .skip = skip,
                              .wire = wire};
    kept->heeds = true;
}

void stream_end(struct stream *stream) {
    if (stream->kept != NULL)
        copy_passage_release(stream->kept);
    stream->kept = NULL;
    stream->taken = stream->stored = stream->fresh = stream->fresh_wire = stream->skip = 0;
    if (stream->tls != NULL)
        copy_tls_release(stream->tls);
    stream->tls = NULL;
    stream->at = stream->have = 0;
}

void stream_compact(struct stream *stream) {
    size_t n = stream_in_hand(stream);

    if (stream->at > 0 && n > 0)
        memmove(stream->bytes, stream->bytes + stream->at, n);
    stream->at = 0;
    stream->have = n;
}

static ssize_t fill_opened(struct stream *stream) {
    size_t wire = 0;

    if (!copy_tls_has_opened(stream->tls)) {
        ssize_t n = copy_tls_read(stream->tls, stream->fd, &wire);

        stream->received += wire;
        if (n <= 0)
            return n;
    }
    return (ssize_t)copy_tls_take(stream->tls, stream->bytes + stream->have, stream_room(stream));
}

/* Kept */

static struct tls_session *source_session_of(const struct stream *stream) {
    return stream->kept != NULL ? stream->kept->from : NULL;
}

static ssize_t look_at_plain(struct stream *stream) {
    ssize_t n = recv(stream->fd, stream->bytes + stream->have, stream_room(stream), MSG_PEEK);

    if (n < 0)
        return -errno;
    stream->fresh_wire = stream->fresh = (size_t)n;
    return n;
}

/* Whole records, behind what of them is done with. */
static ssize_t look_at_tls(struct stream *stream) {
    struct copy_passage *kept = stream->kept;
    char *to = stream->bytes + stream->have;
    size_t skip = stream->skip;
    ssize_t n = copy_passage_read(kept, stream->fd);

    stream->wire = passage_now(kept->kept->passage)->read; /* messages of TLS may be off */
    if (n <= 0)
        return n;
    for (size_t i = 0; i < kept->n_pieces; i++) {
        const struct iovec *piece = &kept->in->pieces[i];
        size_t gone = skip < piece->iov_len ? skip : piece->iov_len;

        memcpy(to, (const char *)piece->iov_base + gone, piece->iov_len - gone);
        to += piece->iov_len - gone;
        skip -= gone;
    }
    if (skip > 0) /* they were there before */
        return -EBADMSG;
    stream->fresh_wire = kept->wire - kept->taken; /* the rest is in the stash */
    stream->fresh = (size_t)n - stream->skip;
    copy_passage_give(kept, stream->fd);
    return (ssize_t)stream->fresh;
}

static ssize_t look_at_more(struct stream *stream) {
    CHECK(stream->fresh == 0 && stream->taken == 0);
    ssize_t n = source_session_of(stream) != NULL ? look_at_tls(stream) : look_at_plain(stream);

    if (n > 0) {
        stream->received += stream->fresh_wire;
        stream->have += (size_t)n;
    }
    return n;
}

/* What of the taken bytes is on the socket. */
static size_t taken_of_fresh(const struct stream *stream) {
    return stream->taken > stream->stored ? stream->taken - stream->stored : 0;
}

/* n of the fresh bytes are done with. */
static void mark_fresh(const struct stream *stream, size_t n, struct passage_mark *mark) {
    const struct tls_session *session = source_session_of(stream);
    size_t took = session == NULL ? n : n == stream->fresh ? stream->fresh_wire : 0;

    mark->read = stream->wire + took;
    mark->took = (uint32_t)took;
    mark->stashed = took > 0 ? 0 : (uint16_t)stream->kept->taken;
    mark->over = stream->kept->over;
    mark->exchange.skip = stream->fresh == 0 ? (uint32_t)stream->skip : 0;
    mark->in = passage_keys_in(session); /* the leg before may have had others */
    mark->rules = session != NULL ? session->rules : (struct tls_rules){0};
    if (session != NULL && n < stream->fresh) {
        mark->exchange.skip = (uint32_t)(stream->skip + n);
        mark->in.sequence -= stream->kept->n_pieces;
    }
}

static void settle_fresh(struct stream *stream, size_t n) {
    bool tls = source_session_of(stream) != NULL, all = n == stream->fresh;
    size_t took = !tls ? n : all ? stream->fresh_wire : 0;

    stream->fresh -= n;
    source_discard(stream->fd, stream->kept->tcp, took, stream->kept->kept->dir);
    stream->wire += took;
    stream->fresh_wire -= took;
    stream->skip = tls && !all ? stream->skip + n : 0;
    if (took > 0)
        stream->kept->taken = stream->kept->seen = 0;
}

/* One that has ended says nothing. */
void stream_mark(const struct stream *stream, struct passage_mark *mark) {
    if (stream->kept == NULL) {
        mark->took = 0;
        return;
    }
    mark_fresh(stream, taken_of_fresh(stream), mark);
    mark->exchange.stored =
        (uint32_t)(stream->stored > stream->taken ? stream->stored - stream->taken : 0);
}

void stream_settle(struct stream *stream) {
    size_t of_fresh = taken_of_fresh(stream);

    stream->stored -= stream->taken - of_fresh;
    stream->taken = 0;
    if (of_fresh > 0 && stream->kept != NULL)
        settle_fresh(stream, of_fresh);
}

void stream_move(struct stream *stream, char *bytes) {
    size_t n = stream_in_hand(stream);

    CHECK(stream->taken == 0);
    if (stream->bytes + stream->at != bytes)
        memmove(bytes, stream->bytes + stream->at, n);
    stream->bytes = bytes;
    stream->at = 0;
    stream->have = n;
}

void stream_mark_stored(const struct stream *stream, struct passage_mark *mark) {
    mark_fresh(stream, stream->fresh, mark);
    mark->exchange.stored = (uint32_t)stream_in_hand(stream);
}

void stream_settle_stored(struct stream *stream) {
    stream->stored = stream_in_hand(stream);
    settle_fresh(stream, stream->fresh);
}

ssize_t stream_fill(struct stream *stream) {
    ssize_t n;

    CHECK(stream_room(stream) > 0);
    if (stream->kept != NULL)
        return look_at_more(stream);
    if (stream->tls != NULL) {
        n = fill_opened(stream);
    } else {
        n = recv(stream->fd, stream->bytes + stream->have, stream_room(stream), 0);
        if (n < 0)
            return -errno;
        stream->received += (uint64_t)n;
    }
    if (n > 0)
        stream->have += (size_t)n;
    return n;
}

void stream_advance(struct iovec **parts, size_t *n_parts, size_t n) {
    while (*n_parts > 0 && n >= (*parts)->iov_len) {
        n -= (*parts)->iov_len;
        (*parts)++;
        (*n_parts)--;
    }
    if (n > 0) {
        (*parts)->iov_base = (char *)(*parts)->iov_base + n;
        (*parts)->iov_len -= n;
    }
}

int stream_send_plain(int fd, struct iovec *parts, size_t n, uint64_t *ret_sent) {
    bool cut_short = false;

    stream_advance(&parts, &n, 0);
    while (n > 0) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = n};
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

        if (sent < 0 && errno != EINTR)
            return -unsent_error(fd, errno, cut_short);
        cut_short |= sent > 0;
        if (sent > 0) {
            *ret_sent += (uint64_t)sent;
            stream_advance(&parts, &n, (size_t)sent);
        }
    }
    return 0;
}

int stream_send(int fd, struct tls_session *tls, struct tls_buffers *buffers, struct iovec *parts,
                size_t n, uint64_t *ret_sent) {
    return tls != NULL ? stream_send_tls(fd, tls, buffers, parts, n, ret_sent)
                       : stream_send_plain(fd, parts, n, ret_sent);
}

int stream_send_end(int fd, struct tls_session *tls) {
    return tls != NULL ? stream_send_end_tls(fd, tls) : 0;
}
