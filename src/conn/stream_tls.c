#include "conn/stream_tls.h"

#include <errno.h>
#include <string.h>

#include "base/nonce_watch.h"
#include "tls/session.h"

static int send_records(int fd, const uint8_t *bytes, size_t n) {
    struct iovec part = {(void *)(uintptr_t)bytes, n};
    uint64_t sent = 0;

    NONCES_LEAVE();
    return stream_send_plain(fd, &part, 1, &sent);
}

/* Fills the next record from the parts. */
static size_t gather_parts(struct iovec **parts, size_t *n_parts, uint8_t *plain, size_t most) {
    size_t n = 0;

    stream_advance(parts, n_parts, 0);
    while (*n_parts > 0 && n < most) {
        size_t taken = (*parts)->iov_len < most - n ? (*parts)->iov_len : most - n;

        memcpy(plain + n, (*parts)->iov_base, taken);
        n += taken;
        stream_advance(parts, n_parts, taken);
    }
    return n;
}

ssize_t stream_seal(struct tls_session *session, struct iovec **parts, size_t *n, size_t most,
                    uint8_t *to, size_t *ret_plain) {
    struct tls_half *out = &session->out;
    size_t size = 0;

    if (tls_session_needs_update(session)) {
        ssize_t update = tls_session_seal_update(session, to);

        if (update < 0)
            return update;
        size = (size_t)update;
    }
    stream_advance(parts, n, 0);
    while (*n > 0 && *ret_plain + tls_most(out) <= most) {
        uint8_t *record = to + size;
        size_t taken = gather_parts(parts, n, record + tls_before(out), tls_most(out));
        ssize_t sealed = tls_seal(out, TLS_DATA, record, taken);

        if (sealed < 0)
            return sealed;
        size += (size_t)sealed;
        *ret_plain += taken;
    }
    return (ssize_t)size;
}

/* As many records as fit a buffer go out in one call. */
static int seal_and_send(int fd, struct tls_half *out, struct tls_buffer *buffer,
                         struct iovec *parts, size_t n, uint64_t *ret_sent) {
    size_t whole = tls_before(out) + tls_most(out) + tls_after(out);

    stream_advance(&parts, &n, 0);
    while (n > 0) {
        size_t size = 0, plain = 0;

        while (n > 0 && size + whole <= TLS_BUFFER_SIZE) {
            uint8_t *record = buffer->bytes + size;
            size_t taken = gather_parts(&parts, &n, record + tls_before(out), tls_most(out));
            ssize_t sealed = tls_seal(out, TLS_DATA, record, taken);

            if (sealed < 0)
                return (int)sealed;
            size += (size_t)sealed;
            plain += taken;
        }
        int r = send_records(fd, buffer->bytes, size);
        if (r < 0)
            return r;
        *ret_sent += plain;
    }
    return 0;
}

/* Who fails keeps the right to write: one_writer in tls/session.h. */
int stream_send_tls(int fd, struct tls_session *tls, struct tls_buffers *buffers,
                    struct iovec *parts, size_t n, uint64_t *ret_sent) {
    uint8_t update[TLS_SMALL_RECORD];
    struct tls_buffer *buffer = tls_buffers_get(buffers);

    if (buffer == NULL)
        return -ENOMEM;
    int r = tls_session_begin_writing(tls) ? 0 : -EPIPE;
    if (r == 0) {
        ssize_t owed = tls_session_needs_update(tls) ? tls_session_seal_update(tls, update) : 0;

        r = owed > 0 ? send_records(fd, update, (size_t)owed) : (int)owed;
        if (r == 0)
            r = seal_and_send(fd, &tls->out, buffer, parts, n, ret_sent);
        if (r == 0)
            tls_session_end_writing(tls);
    }
    tls_buffers_put(buffers, buffer);
    return r;
}

int stream_send_end_tls(int fd, struct tls_session *tls) {
    uint8_t record[TLS_SMALL_RECORD];

    if (!tls_session_begin_writing(tls))
        return -EPIPE;
    ssize_t n = tls_session_seal_end(tls, record);
    return n < 0 ? (int)n : send_records(fd, record, (size_t)n); /* nothing is sealed after it */
}
