/* libssl's way to the socket in a handshake, and what passes over it. */
#ifndef TLS_WIRE_H
#define TLS_WIRE_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/clock.h"
#include "wire/tls_record.h"

struct tls_wire {
    int fd;                   /* blocking */
    usec_t deadline;          /* of clock_now(), for the whole handshake */
    const _Atomic bool *stop; /* looked at after each interrupt */
    usec_t patience;          /* a wait for longer than that is told by on_wait, once; 0: never */
    void (*on_wait)(void *arg);
    void *arg;
    uint64_t received; /* bytes, in all */
    int error;         /* the errno that ended it: ETIMEDOUT, ECANCELED, ...; 0: none */
    bool ended;        /* the peer's end of data came */
    usec_t armed;      /* when the socket's own timeouts were last set; 0: never */
    /* Of what was sent: how many records since the last byte came; and of the last record, how much
     * of it is out, how long it is, and how it began. */
    unsigned records;
    size_t record_at, record_size;
    uint8_t record_head[TLS_BEFORE_MAX];
};

/* A BIO over the wire, which stays the caller's. It reads what libssl asks for and not a byte more.
 * NULL: no memory. */
BIO *tls_wire_bio(struct tls_wire *wire) MUST_USE;

/* The socket waits without bounds again. 0 or -errno. */
int tls_wire_release(const struct tls_wire *wire) MUST_USE;

#endif
