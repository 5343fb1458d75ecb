/* Hashes for harmless names and addresses (others: siphash.h). Same in every process. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a with a final mix. */
uint64_t hash_bytes(const void *bytes, size_t n);

/* Of n bytes, a multiple of 8: a quick one, for what is to be found again as it was. */
uint64_t hash_words(const void *bytes, size_t n);

/* The finalizer of MurmurHash3: every bit of the input changes half the bits of the output. */
static inline uint64_t hash_mix(uint64_t h) {
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdULL;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ULL;
    return h ^ h >> 33;
}

/* For many pairs with the same b: take its salt once. */
static inline uint64_t hash_salt(uint64_t b) {
    return hash_mix(b + 0x9e3779b97f4a7c15ULL);
}

static inline uint64_t hash_salted(uint64_t a, uint64_t salt) {
    return hash_mix(a ^ salt);
}

static inline uint64_t hash_pair(uint64_t a, uint64_t b) {
    return hash_salted(a, hash_salt(b));
}

#endif
