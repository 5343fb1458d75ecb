/* How far a direction has come whose bytes are changed on their way, by TLS, so that another
 * process can go on with it. Flat, without a pointer; it lies in the table (handover/table.h).
 *
 * step: A pump looks at what has come (MSG_PEEK), makes of it what is to be sent, and notes where
 * it will stand after that. One byte (`at`) then makes that note the one that counts. Only now is
 * it sent, and only after that are the bytes taken off the socket that it was made of. A process
 * that finds the step undone asks the kernel how far it came, makes the same bytes of the same
 * bytes, from the mark before, and sends the rest. So a sequence number of TLS is never used for
 * two plaintexts, and no byte is lost or doubled.
 *
 * stash: A record of TLS that does not fit the socket's receive buffer would never be whole there;
 * nor may one whose first bytes are the end of a large segment, of which all the memory counts
 * until its last byte is taken. So these first bytes are taken off it, by a step of their own, and
 * lie in the table until the rest has come.
 *
 * message: An exchange of HTTP (conn/exchange.h) makes such steps, too. What one sends is not made
 * again: it lies in an area (handover/table.h) as it goes over the wire, before it counts. */
#ifndef RECORD_PASSAGE_H
#define RECORD_PASSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/http1.h"
#include "wire/tls_keys.h"
#include "wire/tls_rules.h"

enum passage_step {
    PASSAGE_START,  /* none yet */
    PASSAGE_CARRY,  /* what has come goes on */
    PASSAGE_TAKE,   /* nothing of it does: a message of TLS, an end, or what goes into the stash */
    PASSAGE_UPDATE, /* a KeyUpdate of ours */
    PASSAGE_END,    /* close_notify */
    PASSAGE_MESSAGE,
    PASSAGE_SPLICE, /* many: bytes of a body, by the pipe of the slot; until the next mark */
    PASSAGE_STEPS,
};

/* The body of a request or an answer on its way: how far it is. */
struct passage_body {
    enum http1_framing framing; /* as it comes */
    bool in_chunks;             /* as it goes on */
    bool over;
    uint64_t length, left; /* of HTTP1_LENGTH: in all, and to come */
    struct http1_chunks chunks;
    uint64_t most, passed; /* max_body, 0: none; and how much has come */
};

/* What a direction of an exchange is at. */
enum passage_phase {
    PASSAGE_HEADS,    /* the next head is to come, or nothing */
    PASSAGE_CONTINUE, /* up: a body that waits for 100 */
    PASSAGE_BODY,
    PASSAGE_UPGRADES, /* up: it waits for 101 */
    PASSAGE_BYTES,    /* behind 101 */
    PASSAGE_PHASES,
};

/* Of an exchange. */
struct passage_exchange {
    struct passage_body body;
    uint64_t count;  /* up: requests that were sent on; down: those that are answered */
    uint64_t leg;    /* SO_COOKIE of the leg (conn/exchange.h) that it is about; 0: none */
    uint32_t skip;   /* from TLS: plaintext bytes of what is to be read next that are done with */
    uint32_t stored; /* bytes of the area's `in` that are in hand */
    uint8_t phase;   /* enum passage_phase */
    uint8_t end;     /* enum end: the client is to be given its end; END_NONE: not yet */
    bool close;      /* down, in a body: the client's connection ends behind it, */
    bool leaves;     /* or the leg does; */
    bool early;      /* it began before all of the request had been read */
    bool drains;
};

/* Where a direction stands when a step is done. */
struct passage_mark {
    uint64_t read;          /* bytes on the wire, of the source, as the kernel counts them */
    uint64_t sent[2];       /* likewise, to a side, by whoever has sent to it last (wire_count.h) */
    uint64_t bytes;         /* carried so far: of flow.bytes (record/conn_state.h) */
    struct tls_keys in;     /* of the source; version 0: that is plain */
    struct tls_keys out[2]; /* as `sent` */
    struct tls_rules rules; /* for what comes from the source */
    uint16_t stashed;       /* bytes of the next record that are in the stash */
    uint32_t sum;           /* CRC-32C of the tags of the records that the step sends */
    uint8_t step;           /* enum passage_step: the one that ends here */
    bool over;              /* close_notify has come */
    uint8_t sink;           /* enum side: of a message. It is so long: */
    uint32_t size;
    uint32_t took; /* bytes on the wire, of the source */
    struct passage_exchange exchange;
    uint64_t check; /* a hash of the rest: a process that crashes may have written anywhere */
};

/* Neither is made of the other, or of zeros, by a stray write. */
enum { PASSAGE_FIRST = 0x5a, PASSAGE_SECOND = 0xa5 };

struct passage {
    struct passage_mark marks[2];
    /* the mark that counts, of these; the other one is that before, or being written */
    _Atomic uint8_t at;
    _Atomic bool undone; /* its step may not be done */
    uint8_t has_stash;   /* not 0: it was used */
    /* one more than the bytes of the step that were sent as it was left undone in order; 0:
     * unknown */
    _Atomic uint32_t halted;
};

#define PASSAGE_STASH_SIZE ((size_t)5 * 4096) /* for all of a record but its last byte; pages */

/* Of a connection, by direction. Memory that nobody has used yet costs nothing. */
struct passage_stash {
    uint8_t way[2][PASSAGE_STASH_SIZE];
};

struct passage_side {
    uint16_t most; /* plaintext bytes of a record (tls_record.h) */
    uint8_t asked; /* enum tls_asked */
    /* it is to be sent a KeyUpdate; it may be sent one more after a kill, which is allowed */
    _Atomic bool owes;
};

/* A leg as it was when it came. */
struct passage_leg {
    uint64_t cookie;     /* SO_COOKIE of its socket; 0: none */
    uint64_t read, sent; /* as in a mark */
    struct tls_keys in, out;
    struct tls_rules rules;
    bool fresh; /* no answer has come over it yet */
};

/* Of a connection. */
struct passages {
    _Alignas(64) struct passage way[2]; /* by direction: its pump's alone */
    struct passage_side side[2];        /* by side */
    struct passage_leg leg;             /* of an exchange; who dials */
    uint32_t area;                      /* of an exchange: one more than its number; 0: none */
    bool has_shown; /* its client has shown a certificate: in another array of the table */
};

#endif
