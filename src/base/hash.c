#include "base/hash.h"

#include <string.h>

#define LANES 4

uint64_t hash_bytes(const void *bytes, size_t n) {
    const unsigned char *at = bytes;
    uint64_t h = 0xcbf29ce484222325ULL;

    for (size_t i = 0; i < n; i++)
        h = (h ^ at[i]) * 0x100000001b3ULL;
    return hash_mix(h);
}

/* Each step can be undone, so a word that differs makes another hash, whatever follows; in lanes,
 * since a processor multiplies several at a time. */
uint64_t hash_words(const void *bytes, size_t n) {
    uint64_t lanes[LANES] = {0xcbf29ce484222325ULL, 0x9e3779b97f4a7c15ULL, 0x94d049bb133111ebULL,
                             0x2545f4914f6cdd1dULL};
    const unsigned char *at = bytes;
    uint64_t word;

    for (size_t i = 0; i < n / sizeof(word); i++) {
        uint64_t *lane = &lanes[i % LANES];

        memcpy(&word, at + i * sizeof(word), sizeof(word));
        *lane = (*lane ^ word) * 0xff51afd7ed558ccdULL;
        *lane = *lane << 29 | *lane >> 35;
    }
    return hash_pair(hash_pair(lanes[0], lanes[1]), hash_pair(lanes[2], lanes[3]));
}
