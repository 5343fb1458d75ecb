/* A packet of an answer, a head with a length and so many bytes, of which the beginning is kept:
 * bytes in, packet out. Pure; any thread. */
#ifndef WIRE_ANSWER_PACKET_H
#define WIRE_ANSWER_PACKET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

#define ANSWER_PACKET_KEPT 256
#define ANSWER_PACKETS_MAX                                                                         \
    65536 /* bytes of all packets; those that come before a login have some hundred */

enum answer_framing {
    FRAMING_MYSQL,    /* three bytes of length, the lowest first; a number */
    FRAMING_POSTGRES, /* a letter; four bytes of length, the highest first, that counts itself */
};

/* Zeroed: nothing has come. */
struct answer_packet {
    unsigned char head[5], body[ANSWER_PACKET_KEPT];
    size_t head_n, length,
        n;           /* bytes of the head and of the body that have come, and that the body has */
    size_t kept;     /* of those */
    size_t all;      /* bytes of this and the packets before */
    bool whole, bad; /* bad: its length cannot be, or too much has come */
};

/* Takes bytes until the packet is whole or bad: returns how many. After a whole packet the next one
 * begins; after a bad one nothing is taken. */
size_t answer_packet_take(struct answer_packet *packet, enum answer_framing framing,
                          const char *bytes, size_t n) MUST_USE;

#endif
