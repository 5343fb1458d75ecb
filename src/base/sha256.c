#include "base/sha256.h"

#include <string.h>

#define BLOCK 64

/* A message under way. */
struct sha256 {
    uint32_t h[8];
    uint64_t n; /* bytes so far */
    uint8_t block[BLOCK];
};

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate_right(uint32_t x, unsigned by) {
    return x >> by | x << (32 - by);
}

/* FIPS 180-4, 6.2.2, step 1 */
static void spread(const uint8_t *block, uint32_t w[64]) {
    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (size_t i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];

        w[i] = w[i - 16] + (rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3) + w[i - 7] +
               (rotate_right(y, 17) ^ rotate_right(y, 19) ^ y >> 10);
    }
}

/* Steps 2 to 4; the letters are the standard's. */
static void mix_block(uint32_t h[8], const uint8_t *block) {
    uint32_t w[64], v[8];

    spread(block, w);
    memcpy(v, h, sizeof(v));
    for (size_t i = 0; i < 64; i++) {
        uint32_t a = v[0], e = v[4];
        uint32_t t1 = v[7] + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) +
                      ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
        uint32_t t2 = (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) +
                      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

        memmove(v + 1, v, 7 * sizeof(*v));
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (size_t i = 0; i < 8; i++)
        h[i] += v[i];
}

static void begin(struct sha256 *sum) {
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memcpy(sum->h, first, sizeof(first));
    sum->n = 0;
}

static void add(struct sha256 *sum, const void *bytes, size_t n) {
    const uint8_t *from = bytes;

    while (n > 0) {
        size_t at = sum->n % BLOCK, some = n < BLOCK - at ? n : BLOCK - at;

        memcpy(sum->block + at, from, some);
        sum->n += some;
        from += some;
        n -= some;
        if (sum->n % BLOCK == 0)
            mix_block(sum->h, sum->block);
    }
}

static void put_big_endian(uint8_t *to, uint64_t word, size_t n) {
    while (n > 0) {
        to[--n] = (uint8_t)word;
        word >>= 8;
    }
}

static void end(struct sha256 *sum, uint8_t ret[SHA256_SIZE]) {
    static const uint8_t padding[BLOCK] = {0x80};
    uint8_t bits[8];

    put_big_endian(bits, sum->n * 8, sizeof(bits));
    add(sum, padding, 1 + (BLOCK + BLOCK - 9 - sum->n % BLOCK) % BLOCK);
    add(sum, bits, sizeof(bits));
    for (size_t i = 0; i < 8; i++)
        put_big_endian(ret + 4 * i, sum->h[i], 4);
}

void sha256(const void *bytes, size_t n, uint8_t ret[SHA256_SIZE]) {
    struct sha256 sum;

    begin(&sum);
    add(&sum, bytes, n);
    end(&sum, ret);
}

static void hash_padded(const uint8_t key[BLOCK], uint8_t pad, const void *bytes, size_t n,
                        uint8_t ret[SHA256_SIZE]) {
    uint8_t block[BLOCK];
    struct sha256 sum;

    for (size_t i = 0; i < BLOCK; i++)
        block[i] = key[i] ^ pad;
    begin(&sum);
    add(&sum, block, sizeof(block));
    add(&sum, bytes, n);
    end(&sum, ret);
    explicit_bzero(block, sizeof(block));
    explicit_bzero(&sum, sizeof(sum));
}

void hmac_sha256(const void *key, size_t n_key, const void *bytes, size_t n,
                 uint8_t ret[SHA256_SIZE]) {
    uint8_t whole[BLOCK] = {0}, inner[SHA256_SIZE];

    if (n_key > BLOCK)
        sha256(key, n_key, whole);
    else if (n_key > 0)
        memcpy(whole, key, n_key);
    hash_padded(whole, 0x36, bytes, n, inner);
    hash_padded(whole, 0x5c, inner, sizeof(inner), ret);
    explicit_bzero(whole, sizeof(whole));
}
