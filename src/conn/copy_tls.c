#include "conn/copy_tls.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/check.h"
#include "base/nonce_watch.h"
#include "base/sockopt.h"
#include "conn/busy.h"
#include "conn/unsent.h"
#include "tls/session.h"

/* A busy direction keeps its buffer until nothing has come for this long (SO_RCVTIMEO). */
#define KEPT_FOR USEC_PER_SEC

#define OVER_IN_ORDER 1

void copy_tls_init(struct copy_tls *copy, struct tls_session *from, struct tls_session *to,
                   struct tls_buffers *buffers, _Atomic usec_t *active) {
    *copy = (struct copy_tls){
        .from = from, .to = to, .buffers = buffers, .active = active, .timed = -1};
}

/* Reads wait without end again. */
static void untime_reads(struct copy_tls *copy) {
    int r = copy->timed >= 0 ? sockopt_set_receive_timeout(copy->timed, 0) : 0;

    CHECK(r == 0); /* it is an open socket */
    copy->timed = -1;
}

void copy_tls_release(struct copy_tls *copy) {
    untime_reads(copy);
    tls_buffers_put(copy->buffers, copy->in);
    tls_buffers_put(copy->buffers, copy->out);
    copy->in = copy->out = NULL;
}

/* The buffer is lent once bytes are there. 1, or 0 at the end of data, or -errno. */
static ssize_t await_buffer(struct copy_tls *copy, int from) {
    char first;
    ssize_t n;

    if (copy->in != NULL)
        return 1;
    do
        n = recv(from, &first, 1, MSG_PEEK);
    while (n < 0 && errno == EINTR && !copy->heeds);
    if (n <= 0)
        return n < 0 ? -errno : 0;
    copy->in = tls_buffers_get(copy->buffers);
    copy->have_at = copy->have = 0;
    return copy->in != NULL ? 1 : -ENOMEM;
}

/* A read came to nothing. True: it is to be tried anew. */
static bool reads_again(struct copy_tls *copy) {
    if (errno == EINTR)
        return !copy->heeds;
    if (errno != EAGAIN || copy->timed < 0)
        return false;
    copy->streak = 0;
    untime_reads(copy);
    if (!copy_tls_is_torn(copy))
        copy_tls_release(copy);
    return true;
}

/* From a peer that speaks TLS */

/* The rest of a record goes to the front, and more comes behind it. */
static ssize_t receive_records(struct copy_tls *copy, int from) {
    ssize_t n;

    do {
        n = await_buffer(copy, from);
        if (n <= 0)
            return n;
        uint8_t *bytes = copy->in->bytes;
        if (copy->have_at > 0)
            memmove(bytes, bytes + copy->have_at, copy->have - copy->have_at);
        copy->have -= copy->have_at;
        copy->have_at = 0;
        n = recv(from, bytes + copy->have, TLS_BUFFER_READ - copy->have, 0);
    } while (n < 0 && reads_again(copy));
    if (n <= 0)
        return n < 0 ? -errno : 0;
    copy->have += (size_t)n;
    atomic_store_explicit(copy->active, clock_coarse(), memory_order_relaxed);
    return n;
}

/* What an opened record means for this direction. 0: go on; else copy->over. */
static int heed_record(struct copy_tls *copy, const struct tls_opened *opened, uint8_t *alert) {
    struct tls_session *session = copy->from;

    switch (tls_judge(&session->rules, &session->in, session->is_client, opened, alert)) {
    case TLS_MEANS_DATA:
        copy->in->pieces[copy->n_pieces++] =
            (struct iovec){.iov_base = opened->plain, .iov_len = opened->n};
        return 0;
    case TLS_MEANS_UPDATE_ASKED:
        atomic_store_explicit(&session->owes, true, memory_order_relaxed);
        return 0;
    case TLS_MEANS_NOTHING:
    case TLS_MEANS_UPDATE:
        return 0;
    case TLS_MEANS_END:
        return OVER_IN_ORDER;
    case TLS_MEANS_FATAL:
        copy->alert = *alert;
        return COPY_ALERTED;
    case TLS_MEANS_BAD:
    default:
        return COPY_BROKEN;
    }
}

/* Opens the whole records that are there. */
static void open_records(struct copy_tls *copy, int from) {
    copy->n_pieces = copy->piece = 0;
    while (copy->over == 0 && copy->n_pieces < TLS_BUFFER_PIECES && copy->have_at < copy->have) {
        uint8_t *record = copy->in->bytes + copy->have_at, alert = 0;
        struct tls_opened opened;
        enum tls_outcome outcome =
            tls_open(&copy->from->in, record, copy->have - copy->have_at, &opened);

        if (outcome == TLS_MORE)
            break;
        if (outcome == TLS_BAD) {
            alert = opened.alert;
            copy->over = COPY_BROKEN;
        } else {
            copy->have_at += opened.size;
            copy->over = heed_record(copy, &opened, &alert);
        }
        if (copy->over == COPY_BROKEN)
            tls_session_alert(copy->from, from, alert);
    }
}

static size_t count_pieces(const struct copy_tls *copy) {
    size_t n = 0;

    for (size_t i = copy->piece; i < copy->n_pieces; i++)
        n += copy->in->pieces[i].iov_len;
    return n;
}

static ssize_t read_records(struct copy_tls *copy, int from, size_t *ret_wire) {
    *ret_wire = 0;
    for (;;) {
        if (copy->in != NULL)
            open_records(copy, from);
        if (copy->n_pieces > 0)
            return (ssize_t)count_pieces(copy);
        if (copy->over != 0)
            return copy->over == OVER_IN_ORDER ? 0 : copy->over;
        ssize_t n = receive_records(copy, from);
        if (n <= 0)
            return n < 0 ? n : COPY_CUT;
        *ret_wire += (size_t)n;
    }
}

/* From a plain peer */

static size_t place_size(const struct copy_tls *copy) {
    const struct tls_half *out = &copy->to->out;

    return tls_before(out) + tls_most(out) + tls_after(out);
}

/* How many there are. */
static size_t set_places(struct copy_tls *copy) {
    size_t size = place_size(copy), n = TLS_BUFFER_SIZE / size;

    if (n > TLS_BUFFER_PIECES)
        n = TLS_BUFFER_PIECES;
    for (size_t i = 0; i < n; i++)
        copy->in->pieces[i] =
            (struct iovec){.iov_base = copy->in->bytes + i * size + tls_before(&copy->to->out),
                           .iov_len = tls_most(&copy->to->out)};
    return n;
}

/* Straight to where the records will be: one system call, no copy. */
static ssize_t read_places(struct copy_tls *copy, int from) {
    size_t most = tls_most(&copy->to->out);
    ssize_t n;

    do {
        n = await_buffer(copy, from);
        if (n <= 0)
            return n;
        n = readv(from, copy->in->pieces, (int)set_places(copy));
    } while (n < 0 && reads_again(copy));
    if (n <= 0)
        return n < 0 ? -errno : 0;
    copy->piece = 0;
    copy->n_pieces = ((size_t)n + most - 1) / most;
    copy->in->pieces[copy->n_pieces - 1].iov_len = ((size_t)n - 1) % most + 1;
    return n;
}

ssize_t copy_tls_read(struct copy_tls *copy, int from, size_t *ret_wire) {
    CHECK(copy->piece == copy->n_pieces);
    copy->piece = copy->n_pieces = 0;
    copy->source = from;
    if (copy->from != NULL)
        return read_records(copy, from, ret_wire);
    ssize_t n = read_places(copy, from);
    *ret_wire = n > 0 ? (size_t)n : 0;
    return n;
}

/* To either */

/* Once all is written, unless the rest of a record is here, or more is sure to come soon. */
static void give_buffers(struct copy_tls *copy) {
    if (busy_note(&copy->streak, &copy->last)) {
        if (copy->timed < 0 && sockopt_set_receive_timeout(copy->source, KEPT_FOR) == 0)
            copy->timed = copy->source;
    } else if (!copy_tls_is_torn(copy)) {
        copy_tls_release(copy);
    }
}

/* Up to n bytes leave the piece in hand; at its end the next one is in hand. Returns how many. */
static size_t take_from_piece(struct copy_tls *copy, size_t n) {
    struct iovec *piece = &copy->in->pieces[copy->piece];
    size_t taken = n < piece->iov_len ? n : piece->iov_len;

    piece->iov_base = (uint8_t *)piece->iov_base + taken;
    piece->iov_len -= taken;
    copy->piece += piece->iov_len == 0;
    return taken;
}

size_t copy_tls_take(struct copy_tls *copy, char *to, size_t n) {
    size_t all = 0;

    while (copy_tls_has_opened(copy) && all < n) {
        const uint8_t *bytes = copy->in->pieces[copy->piece].iov_base;
        size_t taken = take_from_piece(copy, n - all);

        memcpy(to + all, bytes, taken);
        all += taken;
    }
    if (!copy_tls_has_opened(copy))
        give_buffers(copy);
    return all;
}

static int write_plain(struct copy_tls *copy, int to, uint64_t *ret_written) {
    bool cut_short = false;

    while (copy->piece < copy->n_pieces) {
        struct msghdr message = {.msg_iov = &copy->in->pieces[copy->piece],
                                 .msg_iovlen = copy->n_pieces - copy->piece};
        ssize_t n = sendmsg(to, &message, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -unsent_error(to, errno, cut_short);
        cut_short = true;
        *ret_written += (uint64_t)n;
        for (size_t left = (size_t)n; left > 0;)
            left -= take_from_piece(copy, left);
    }
    return 0;
}

static int send_all(int to, const uint8_t *bytes, size_t n, int flags) {
    NONCES_LEAVE();
    while (n > 0) {
        ssize_t sent = send(to, bytes, n, MSG_NOSIGNAL | flags);

        if (sent < 0 && errno != EINTR)
            return -errno;
        bytes += sent > 0 ? (size_t)sent : 0;
        n -= sent > 0 ? (size_t)sent : 0;
    }
    return 0;
}

/* In the places that they were read into. The size of all records, or -errno. */
static ssize_t seal_places(struct copy_tls *copy) {
    size_t size = 0;

    for (size_t i = 0; i < copy->n_pieces; i++) {
        ssize_t n = tls_seal(&copy->to->out, TLS_DATA, copy->in->bytes + i * place_size(copy),
                             copy->in->pieces[i].iov_len);
        if (n < 0)
            return n;
        size += (size_t)n; /* all but the last one are full, so there are no gaps */
    }
    copy->piece = copy->n_pieces;
    return (ssize_t)size;
}

/* Fills the next record with what is in hand, across the records that it came in. */
static size_t gather_pieces(struct copy_tls *copy, uint8_t *plain) {
    size_t n = 0, most = tls_most(&copy->to->out);

    while (copy->piece < copy->n_pieces && n < most) {
        const uint8_t *bytes = copy->in->pieces[copy->piece].iov_base;
        size_t taken = take_from_piece(copy, most - n);

        memcpy(plain + n, bytes, taken);
        n += taken;
    }
    return n;
}

/* Whether the next record fits `out` behind size bytes. */
static bool fits_out(const struct copy_tls *copy, size_t size) {
    size_t full = place_size(copy), most = tls_most(&copy->to->out), left = count_pieces(copy);

    return size + full - most + (left < most ? left : most) <= TLS_BUFFER_SIZE;
}

/* From one TLS to the other: their records differ, so the bytes are copied; all of them, unless the
 * records must be small and add more to them than there is room for. */
static ssize_t seal_again(struct copy_tls *copy) {
    size_t size = 0;

    if (copy->out == NULL)
        copy->out = tls_buffers_get(copy->buffers);
    if (copy->out == NULL)
        return -ENOMEM;
    while (copy->piece < copy->n_pieces && fits_out(copy, size)) {
        uint8_t *record = copy->out->bytes + size;
        size_t n = gather_pieces(copy, record + tls_before(&copy->to->out));
        ssize_t sealed = tls_seal(&copy->to->out, TLS_DATA, record, n);

        if (sealed < 0)
            return sealed;
        size += (size_t)sealed;
    }
    return (ssize_t)size;
}

/* With the right to write. */
static int send_update(struct copy_tls *copy, int to) {
    uint8_t record[TLS_SMALL_RECORD];

    if (!tls_session_needs_update(copy->to))
        return 0;
    ssize_t n = tls_session_seal_update(copy->to, record);
    return n > 0 ? send_all(to, record, (size_t)n, 0) : (int)n;
}

static int write_records(struct copy_tls *copy, int to, uint64_t *ret_written) {
    int r = send_update(copy, to);

    while (r == 0 && copy->piece < copy->n_pieces) {
        size_t plain = count_pieces(copy);
        ssize_t n = copy->from == NULL ? seal_places(copy) : seal_again(copy);

        if (n < 0)
            return (int)n;
        r = send_all(to, copy->from == NULL ? copy->in->bytes : copy->out->bytes, (size_t)n, 0);
        if (r == 0)
            *ret_written += plain - count_pieces(copy);
    }
    return r;
}

/* Who fails keeps the right to write, lest a record be torn or a nonce used twice. */
int copy_tls_write(struct copy_tls *copy, int to, uint64_t *ret_written) {
    int r = -EPIPE; /* a reader has said that it is over: the connection is being reset */

    if (copy->to == NULL) {
        r = write_plain(copy, to, ret_written);
    } else if (tls_session_begin_writing(copy->to)) {
        r = write_records(copy, to, ret_written);
        if (r == 0)
            tls_session_end_writing(copy->to);
    }
    if (r == 0)
        give_buffers(copy);
    else
        copy->piece = copy->n_pieces = 0;
    return r;
}

int copy_tls_end(struct copy_tls *copy, int to) {
    uint8_t record[TLS_SMALL_RECORD];

    if (!tls_session_begin_writing(copy->to))
        return -EPIPE;
    ssize_t n = tls_session_seal_end(copy->to, record); /* nothing is sealed after it */
    /* The caller ends the socket at once, and both go out as one. */
    return n < 0 ? (int)n : send_all(to, record, (size_t)n, MSG_MORE);
}
