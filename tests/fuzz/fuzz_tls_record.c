/* Records of TLS behind a handshake. The first byte says version, cipher and role. Then come
 * pieces: two bytes of type and size, and as many bytes. They are sealed as a hostile peer can, who
 * has keys, or come as they are. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "wire/tls_rules.h"

/* Of a type. */
#define RAW    0x80 /* not sealed */
#define MANY   0x40 /* 64 times as many bytes, all zeros */
#define UPDATE 0x20 /* a KeyUpdate */
#define TYPES  0x1f

struct both {
    struct tls_half peer, ours;
    struct tls_rules rules;
    bool we_are_client;
};

static void both_begin(struct both *both, uint8_t choice) {
    static const uint8_t secret[48] = "a secret that both of them know, and no one else";
    enum tls_cipher cipher = choice / 4 % TLS_CIPHER_COUNT;
    struct tls_keys keys, other;

    if (choice % 2 == 0)
        CHECK(tls_keys_from_secret(cipher, secret, cipher == TLS_AES_256_GCM ? 48 : 32, &keys) ==
              0);
    else
        CHECK(tls_keys_from_master(cipher, false, secret, secret, secret, &keys, &other) == 0);
    both->we_are_client = choice / 2 % 2 == 0;
    CHECK(tls_half_begin(&both->peer, &keys, true) == 0);
    CHECK(tls_half_begin(&both->ours, &keys, false) == 0);
}

/* Whether more may come. */
static bool take_opened(struct both *both, const struct tls_opened *opened) {
    struct tls_keys before = both->ours.keys;
    uint8_t alert = 255;

    enum tls_meaning meaning =
        tls_judge(&both->rules, &both->ours, both->we_are_client, opened, &alert);
    CHECK(both->rules.idle <= TLS_IDLE_MAX || meaning == TLS_MEANS_BAD);
    CHECK(both->rules.head_n <= sizeof(both->rules.head));
    /* a peer's alert may be 255 */
    CHECK((alert != 255) == (meaning == TLS_MEANS_BAD) || meaning == TLS_MEANS_FATAL);
    if (meaning != TLS_MEANS_UPDATE && meaning != TLS_MEANS_UPDATE_ASKED)
        CHECK(meaning == TLS_MEANS_BAD || memcmp(&before, &both->ours.keys, sizeof(before)) == 0);
    switch (meaning) {
    case TLS_MEANS_DATA:
        CHECK(opened->content == TLS_DATA && opened->n > 0 && both->rules.idle == 0);
        return true;
    case TLS_MEANS_UPDATE:
    case TLS_MEANS_UPDATE_ASKED:
        CHECK(opened->content == TLS_HANDSHAKE && both->ours.keys.sequence == 0);
        CHECK(tls_keys_update(&both->peer.keys) == 0);
        CHECK(tls_half_begin(&both->peer, &both->peer.keys, true) == 0);
        CHECK(memcmp(both->peer.keys.key, both->ours.keys.key, sizeof(before.key)) == 0);
        return true;
    case TLS_MEANS_NOTHING:
        CHECK(both->rules.idle > 0);
        return true;
    case TLS_MEANS_END:
    case TLS_MEANS_FATAL:
        CHECK(opened->content == TLS_ALERT);
        return false;
    case TLS_MEANS_BAD:
    default:
        return false;
    }
}

/* From a block of their size. */
static bool take_wire(struct both *both, const uint8_t *wire, size_t have, bool is_sealed) {
    uint8_t *bytes = malloc(have + (have == 0));
    struct tls_opened opened = {.alert = 255};
    uint64_t sequence = both->ours.keys.sequence;
    bool goes_on = true;

    memcpy(bytes, wire, have);
    enum tls_outcome outcome = tls_open(&both->ours, bytes, have, &opened);
    if (outcome == TLS_OPENED) {
        CHECK(opened.n <= TLS_PLAIN_MAX && opened.size <= have && opened.size <= TLS_WIRE_MAX);
        CHECK(opened.plain >= bytes && opened.plain + opened.n <= bytes + opened.size);
        CHECK(both->ours.keys.sequence == sequence + 1);
        CHECK(is_sealed && opened.size == have); /* nobody guesses a tag */
        goes_on = take_opened(both, &opened);
    } else {
        CHECK(both->ours.keys.sequence == sequence);
        CHECK(outcome == TLS_BAD || memcmp(bytes, wire, have) == 0);
        CHECK((outcome == TLS_BAD) == (opened.alert != 255));
        CHECK(!is_sealed || (outcome == TLS_BAD && opened.alert == TLS_UNEXPECTED_MESSAGE));
        goes_on = outcome == TLS_MORE;
    }
    free(bytes);
    return goes_on;
}

/* Writes what the next piece seals to plain; returns its size, and how many bytes the piece has
 * behind its first two. */
static size_t take_piece(uint8_t type, size_t size, const uint8_t *bytes, size_t left,
                         uint8_t *plain, size_t *ret_used) {
    *ret_used = 0;
    if (type & MANY) {
        memset(plain, 0, size * 64);
        return size * 64;
    }
    if (type & UPDATE) {
        memcpy(plain, (const uint8_t[]){24, 0, 0, 1, (uint8_t)(size % 4), 0, 0}, 7);
        return size < 128 ? 5 : size % 8; /* whole, split, or with more behind it */
    }
    *ret_used = size < left ? size : left;
    memcpy(plain, bytes, *ret_used);
    return *ret_used;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static uint8_t wire[TLS_BEFORE_MAX + TLS_PLAIN_MAX + TLS_AFTER_MAX];
    struct both both = {.we_are_client = false};
    size_t at = 1, used;

    if (n == 0)
        return 0;
    both_begin(&both, bytes[0]);
    for (bool goes_on = true; goes_on && n - at >= 2; at += used) {
        uint8_t type = bytes[at];
        size_t size = bytes[at + 1], before = tls_before(&both.peer);

        at += 2;
        if (type & RAW) {
            used = size < n - at && !(type & MANY) ? size : n - at;
            goes_on = take_wire(&both, bytes + at, used, false);
            continue;
        }
        size = take_piece(type, size, bytes + at, n - at, wire + before, &used);
        ssize_t sealed = tls_seal(&both.peer, type & TYPES, wire, size);
        CHECK(sealed == (ssize_t)(before + size + tls_after(&both.peer)));
        goes_on = take_wire(&both, wire, (size_t)sealed, true);
    }
    tls_half_end(&both.peer);
    tls_half_end(&both.ours);
    return 0;
}
