#include "base/siphash.h"

#include <stddef.h>
#include <sys/random.h>

#include "base/check.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate_left(uint64_t x, unsigned by) {
    return x << by | x >> (64 - by);
}

static void round_of(struct state *s) {
    s->v0 += s->v1;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v2 = rotate_left(s->v2, 32);
}

static void mix_word(struct state *s, uint64_t word) {
    s->v3 ^= word;
    round_of(s);
    s->v0 ^= word;
}

struct siphash_key siphash_key_new(void) {
    struct siphash_key key;

    /* 16 bytes come whole, and without a wait once the machine has started (getrandom(2)). */
    CHECK(getrandom(&key, sizeof(key), 0) == (ssize_t)sizeof(key));
    return key;
}

uint64_t siphash(const struct siphash_key *key, uint64_t a, uint64_t b) {
    struct state s = {key->k0 ^ 0x736f6d6570736575ULL, key->k1 ^ 0x646f72616e646f6dULL,
                      key->k0 ^ 0x6c7967656e657261ULL, key->k1 ^ 0x7465646279746573ULL};

    mix_word(&s, a);
    mix_word(&s, b);
    mix_word(&s, (uint64_t)16 << 56); /* the length */
    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        round_of(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
