#include "wire/answer_packet.h"

#include <stdint.h>

#define MYSQL_HEAD    4
#define POSTGRES_HEAD 5

/* The head is whole. */
static void read_length(struct answer_packet *packet, enum answer_framing framing) {
    const unsigned char *head = packet->head;
    uint32_t length;

    if (framing == FRAMING_MYSQL) {
        length = (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16;
    } else {
        length = (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 |
                 (uint32_t)head[4];
        packet->bad = length < 4;
        length -= 4;
    }
    packet->length = length;
    packet->bad = packet->bad || length > ANSWER_PACKETS_MAX;
}

static void take_packet_byte(struct answer_packet *packet, enum answer_framing framing, char byte) {
    size_t head_size = framing == FRAMING_MYSQL ? MYSQL_HEAD : POSTGRES_HEAD;

    packet->bad = ++packet->all > ANSWER_PACKETS_MAX;
    if (packet->head_n < head_size) {
        packet->head[packet->head_n++] = (unsigned char)byte;
        if (packet->head_n == head_size)
            read_length(packet, framing);
    } else {
        if (packet->kept < ANSWER_PACKET_KEPT)
            packet->body[packet->kept++] = (unsigned char)byte;
        packet->n++;
    }
    packet->whole = packet->head_n == head_size && packet->n >= packet->length && !packet->bad;
}

size_t answer_packet_take(struct answer_packet *packet, enum answer_framing framing,
                          const char *bytes, size_t n) {
    size_t used = 0;

    if (packet->whole)
        *packet = (struct answer_packet){.all = packet->all};
    while (used < n && !packet->whole && !packet->bad)
        take_packet_byte(packet, framing, bytes[used++]);
    return used;
}
