/* libssl's way to the socket in a handshake, and what passes over it.
 *
 * few_calls: libssl reads each record in two steps, and sends each ticket by itself. So what came
 * is looked at in one go (MSG_PEEK), and taken from the socket once libssl has read it, and no byte
 * more: what is behind the handshake stays there. Tickets are held, and go out together. */
#ifndef TLS_WIRE_H
#define TLS_WIRE_H

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/clock.h"
#include "wire/tls_record.h"

#define TLS_WIRE_BUFFER 4096

struct tls_wire {
    int fd;                   /* blocking */
    usec_t deadline;          /* of clock_now(), for the whole handshake */
    const _Atomic bool *stop; /* looked at before each wait */
    usec_t patience;          /* a wait for longer than that is told by on_wait, once; 0: never */
    void (*on_wait)(void *arg);
    void *arg;
    usec_t receive_span, send_span; /* the socket's own timeouts; 0: none */
    size_t certain;    /* bytes that are there, and surely the handshake's: a ClientHello */
    uint64_t received; /* bytes, in all */
    int error;         /* the errno that ended it: ETIMEDOUT, ECANCELED, ...; 0: none */
    bool ended;        /* the peer's end of data came */
    const SSL *ssl;    /* its BIO's */
    /* Of what was sent: how many records since the last byte came; and of the last record, how much
     * of it is out, how long it is, and how it began. */
    unsigned records;
    size_t record_at, record_size;
    uint8_t record_head[TLS_BEFORE_MAX];
    /* few_calls: what came, how much of it libssl has read, and whether it is in the socket, too;
     * and what is held. */
    size_t in_n, in_at, held;
    bool peeked;
    uint8_t in[TLS_WIRE_BUFFER], out[TLS_WIRE_BUFFER];
};

/* A BIO over the wire, which stays the caller's, for this ssl. NULL: no memory. */
BIO *tls_wire_bio(struct tls_wire *wire, const SSL *ssl) MUST_USE;

/* After the handshake, whatever came of it: sends what is held. False: wire->error says why it
 * could not, or what was wrong before. */
bool tls_wire_flush(struct tls_wire *wire) MUST_USE;

/* Then: the socket has what is behind the handshake, and waits without bounds again. 0 or -errno.
 */
int tls_wire_release(struct tls_wire *wire) MUST_USE;

#endif
