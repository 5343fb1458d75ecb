/* What a relayed connection needs of TLS towards one of its peers: keys and a sequence number for
 * each direction, and nothing of libssl.
 *
 * one_writer: only the pump that writes to the peer seals records, but for one alert: a reader that
 * has met a bad record says so, if no record is under way. Whoever seals holds the right to write;
 * a reader that takes it never gives it back, and the connection is reset. So no lock is needed,
 * and no record is torn.
 *
 * A KeyUpdate that asks for another is answered by that writer before its next data (RFC 8446,
 * 4.6.3, allows it): a reader that wrote might block behind a peer that reads nothing. */
#ifndef TLS_SESSION_H
#define TLS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/check.h"
#include "tls/alert.h"
#include "wire/tls_record.h"
#include "wire/tls_rules.h"

struct tls_session {
    bool is_client;         /* we are: the peer is a server */
    bool outlives;          /* its keys may lie in the table (outlive); set before it has pumps */
    enum tls_asked asked;   /* by that server, for our certificate */
    struct tls_half in;     /* the reading pump's, with the rules */
    struct tls_rules rules; /* for what comes */
    _Atomic bool owes;      /* a KeyUpdate: set by the reader, sent by the writer */
    _Atomic bool writing;   /* the right to write is taken, see one_writer */
    struct tls_half out;    /* who has the right to write */
};

/* in, out: copied. Any thread. NULL: no memory. */
struct tls_session *tls_session_new(bool is_client, const struct tls_keys *in,
                                    const struct tls_keys *out) MUST_USE;

/* Erases the keys. NULL is fine. */
void tls_session_free(struct tls_session *session);

/* The writer's: false: a reader has taken it, the connection is being reset. */
bool tls_session_begin_writing(struct tls_session *session) MUST_USE;
void tls_session_end_writing(struct tls_session *session);

/* Whether a KeyUpdate must go out before the next data: one that is owed, or our own, once a key
 * has sealed many records (RFC 8446, 5.5). With the right to write. */
bool tls_session_needs_update(const struct tls_session *session);

/* That KeyUpdate as a record; likewise. Room for TLS_SMALL_RECORD bytes. How many were written
 * there, or -errno. */
#define TLS_SMALL_RECORD 64
ssize_t tls_session_seal_update(struct tls_session *session, uint8_t *record) MUST_USE;

/* A record with close_notify (RFC 8446, 6.1), likewise. */
ssize_t tls_session_seal_end(struct tls_session *session, uint8_t *record) MUST_USE;

/* All that there is to say, and close_notify, as records; with the right to write, which is not
 * given back. To be freed. NULL: no memory, or the right is taken. */
uint8_t *tls_session_seal_all(struct tls_session *session, const struct iovec *parts, size_t n,
                              size_t *ret_size) MUST_USE;

/* The reader's: a fatal alert, if it may write at all, and without waiting. The caller resets the
 * connection. */
void tls_session_alert(struct tls_session *session, int fd, uint8_t alert);

#endif
