/* SipHash-1-3 (Aumasson and Bernstein, 2012), for tables whose keys strangers choose: without the
 * secret nobody can make keys collide. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stdint.h>

struct siphash_key {
    uint64_t k0, k1;
};

/* A secret of this process, from getrandom(2). */
struct siphash_key siphash_key_new(void);

/* Of 16 bytes. Pure. */
uint64_t siphash(const struct siphash_key *key, uint64_t a, uint64_t b);

#endif
