/* A packet of an answer: a head with a length, and a body of which the beginning is kept. Pure; any
 * thread. */
#ifndef WIRE_ANSWER_PACKET_H
#define WIRE_ANSWER_PACKET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

#define ANSWER_PACKET_KEPT 256
#define ANSWER_PACKETS_MAX 65536 /* bytes of all packets; before a login they have some hundred */

enum answer_framing {
    FRAMING_MYSQL,    /* three bytes of length, lowest first; a number */
    FRAMING_POSTGRES, /* a letter; four bytes of length, highest first, which it counts */
};

/* Zeroed: nothing has come. */
struct answer_packet {
    unsigned char head[5], body[ANSWER_PACKET_KEPT];
    size_t head_n, length, n; /* bytes so far of head and body; of the whole body */
    size_t kept;              /* of those */
    size_t all;               /* bytes of this and the former packets */
    bool whole, bad;          /* bad: an impossible length, or too many bytes */
};

/* Takes bytes until the packet is whole or bad; returns how many. After a whole one the next
 * begins; after a bad one it takes none. */
size_t answer_packet_take(struct answer_packet *packet, enum answer_framing framing,
                          const char *bytes, size_t n) MUST_USE;

#endif
