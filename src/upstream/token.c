#include "upstream/token.h"

#include <string.h>

#include "base/sha256.h"

#define MESSAGE_MOST (2 * CONFIG_NAME_MAX + ADDR_TEXT_MAX)

/* Each ends in a NUL, which none of them has within. */
static size_t put_text(char message[MESSAGE_MOST], size_t at, const char *text) {
    size_t n = strlen(text) + 1;

    CHECK(n <= MESSAGE_MOST - at);
    memcpy(message + at, text, n);
    return at + n;
}

static uint64_t read_big_endian(const uint8_t *bytes) {
    uint64_t word = 0;

    for (size_t i = 0; i < sizeof(word); i++)
        word = word << 8 | bytes[i];
    return word;
}

struct cookie_token token_of(const struct upstream_config *upstream, const struct member *member) {
    char message[MESSAGE_MOST], text[ADDR_TEXT_MAX];
    uint8_t sum[SHA256_SIZE];
    size_t n = put_text(message, 0, member->upstream);

    n = put_text(message, n, member->server);
    n = put_text(message, n, addr_format(&member->addr, text, sizeof(text)));
    hmac_sha256(upstream->cookie_secret, sizeof(upstream->cookie_secret), message, n, sum);
    return (struct cookie_token){read_big_endian(sum), read_big_endian(sum + 8)};
}
