/* Instead of stream_tls.c in a build without TLS, where no side ever speaks it. */
#include <errno.h>

#include "conn/stream_tls.h"

int stream_send_tls(int fd, struct tls_session *tls, struct tls_buffers *buffers,
                    struct iovec *parts, size_t n, uint64_t *ret_sent) {
    (void)fd, (void)tls, (void)buffers, (void)parts, (void)n, (void)ret_sent;
    return -ENOTSUP;
}

ssize_t stream_seal(struct tls_session *session, struct iovec **parts, size_t *n, size_t most,
                    uint8_t *to, size_t *ret_plain) {
    (void)session, (void)parts, (void)n, (void)most, (void)to, (void)ret_plain;
    return -ENOTSUP;
}

int stream_send_end_tls(int fd, struct tls_session *tls) {
    (void)fd, (void)tls;
    return -ENOTSUP;
}
