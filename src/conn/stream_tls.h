/* The part of stream.h that needs TLS, and what it needs of the rest. */
#ifndef CONN_STREAM_TLS_H
#define CONN_STREAM_TLS_H

#include "conn/stream.h"

/* The first n bytes of the parts are done with; empty ones go, too. */
void stream_advance(struct iovec **parts, size_t *n_parts, size_t n);

/* As stream_send and stream_send_end. */
int stream_send_plain(int fd, struct iovec *parts, size_t n, uint64_t *ret_sent) MUST_USE;
int stream_send_tls(int fd, struct tls_session *tls, struct tls_buffers *buffers,
                    struct iovec *parts, size_t n, uint64_t *ret_sent) MUST_USE;
/* Seals what is owed and, of the parts, `most` bytes at most: how many bytes of records are at
 * `to`, or -errno. *ret_plain grows by what of the parts is in them. With the right to write. */
ssize_t stream_seal(struct tls_session *session, struct iovec **parts, size_t *n, size_t most,
                    uint8_t *to, size_t *ret_plain) MUST_USE;
int stream_send_end_tls(int fd, struct tls_session *tls) MUST_USE;

#endif
