/* One connection, for the log and a successor: flat, of a fixed size, with no pointer into what can
 * go away. */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "config/config.h"
#include "record/bearer.h"
#include "record/ends.h"

/* Sides and directions of a connection; up is client to server. */
enum side { SIDE_CLIENT, SIDE_SERVER };
enum direction { DIR_UP, DIR_DOWN };

#define RECORD_WHY_MAX  224
#define RECORD_SNI_MAX  256
#define RECORD_ALPN_MAX 32

struct record {
    uint64_t number; /* from 1, in the order of accept */
    char listener[CONFIG_NAME_MAX];
    char upstream[CONFIG_NAME_MAX];
    char server[CONFIG_NAME_MAX]; /* "" before one was chosen */
    struct addr client;
    /* sender of the PROXY header that named the client; len 0: none */
    struct addr peer;
    struct addr server_addr; /* len 0 before one was reached */
    struct addr listen_addr; /* where the listening socket is bound, as the kernel takes it */
    usec_t accepted;         /* moments of clock_now() */
    usec_t queued;           /* its entry into the work queue; 0: never */
    usec_t popped;           /* a worker took it; 0: never */
    usec_t dialled;          /* the dial ended, well or not; 0: never begun */
    usec_t answered;         /* the first byte came from the server; 0: never, or it lives */
    usec_t ended;
    uint64_t bytes[2];      /* by direction: written to the other side */
    uint64_t header;        /* that came from the client before: a PROXY header, a TLS handshake */
    uint64_t greeting;      /* of the one sent to the server */
    uint64_t server_header; /* that came from the server before: a TLS handshake */
    enum end end;
    int error;                       /* the errno behind it, or 0 */
    unsigned attempts;               /* to connect to a server, begun */
    uint16_t tls_version, tls_suite; /* the client's, as on the wire; 0: plain */
    bool tls_resumed;
    char why[RECORD_WHY_MAX]; /* a clause, where TLS failed or a name has no address; or "" */
    /* What its ClientHello asks for; "": nothing, or it sent none. Printable, without blanks. */
    char sni[RECORD_SNI_MAX];
    /* the first protocol that is offered, or the one that its route is for; cut if it is longer */
    char alpn[RECORD_ALPN_MAX];
};

/* Counts its times (spans.h) and logs it. bearer: of its client's certificate; NULL: it has shown
 * none. Any thread. */
void record_log(const struct record *record, const struct bearer *bearer,
                enum log_connections policy);

#endif
