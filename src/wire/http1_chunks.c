/* Chunked bodies (RFC 9112, 7.1), byte by byte: nothing is remembered but numbers. */
#include <string.h>

#include "base/bytes.h"
#include "wire/http1_parse.h"

#define SIZE_DIGITS_MAX 16

enum chunk_state {
    CHUNK_SIZE, /* or its end */
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_LINE, /* a trailer begins, or the last line */
    CHUNK_NAME,
    CHUNK_VALUE,
    CHUNK_LINE_LF,
    CHUNK_LAST_LF,
    CHUNK_OVER,
};

static bool chunk_goes_to(struct http1_chunks *chunks, enum chunk_state state) {
    chunks->state = (uint8_t)state;
    return true;
}

/* At most INT64_MAX: who counts in signed numbers must read the same. */
static bool take_size(struct http1_chunks *chunks, char byte) {
    int digit = bytes_hex_digit(byte);

    if (digit >= 0) {
        if (chunks->digits == SIZE_DIGITS_MAX || chunks->left > (uint64_t)INT64_MAX >> 4)
            return false;
        chunks->digits++;
        chunks->left = chunks->left << 4 | (uint64_t)digit;
        return true;
    }
    if (chunks->digits == 0)
        return false;
    if (byte == ';') {
        chunks->extension = 1;
        return chunk_goes_to(chunks, CHUNK_EXTENSION);
    }
    return byte == '\r' && chunk_goes_to(chunks, CHUNK_SIZE_LF);
}

static bool take_extension(struct http1_chunks *chunks, char byte) {
    if (byte == '\r')
        return chunk_goes_to(chunks, CHUNK_SIZE_LF);
    return http1_byte_is(byte, HTTP1_IS_TEXT) && ++chunks->extension <= HTTP1_EXTENSION_MAX;
}

static bool end_size(struct http1_chunks *chunks) {
    chunks->digits = 0;
    return chunk_goes_to(chunks, chunks->left > 0 ? CHUNK_DATA : CHUNK_LINE);
}

/* Like a field line of a head: RFC 9112, 5, and 7.1.2. */
static bool take_trailer(struct http1_chunks *chunks, char byte) {
    if (++chunks->trailers > HTTP1_TRAILERS_MAX)
        return false;
    switch (chunks->state) {
    case CHUNK_LINE:
        return http1_byte_is(byte, HTTP1_IS_TOKEN) && chunk_goes_to(chunks, CHUNK_NAME);
    case CHUNK_NAME:
        return byte == ':' ? chunk_goes_to(chunks, CHUNK_VALUE)
                           : http1_byte_is(byte, HTTP1_IS_TOKEN);
    case CHUNK_VALUE:
        return byte == '\r' ? chunk_goes_to(chunks, CHUNK_LINE_LF)
                            : http1_byte_is(byte, HTTP1_IS_TEXT);
    default:
        return byte == '\n' && chunk_goes_to(chunks, CHUNK_LINE);
    }
}

/* One byte of framing. False: it is wrong. */
static bool take_framing(struct http1_chunks *chunks, char byte) {
    switch (chunks->state) {
    case CHUNK_SIZE:
        return take_size(chunks, byte);
    case CHUNK_EXTENSION:
        return take_extension(chunks, byte);
    case CHUNK_SIZE_LF:
        return byte == '\n' && end_size(chunks);
    case CHUNK_DATA_CR:
        return byte == '\r' && chunk_goes_to(chunks, CHUNK_DATA_LF);
    case CHUNK_DATA_LF:
        return byte == '\n' && chunk_goes_to(chunks, CHUNK_SIZE);
    case CHUNK_LINE:
        return byte == '\r' ? chunk_goes_to(chunks, CHUNK_LAST_LF) : take_trailer(chunks, byte);
    case CHUNK_LAST_LF:
        return byte == '\n' && chunk_goes_to(chunks, CHUNK_OVER);
    default:
        return take_trailer(chunks, byte);
    }
}

enum http1_chunk_outcome http1_chunks_take(struct http1_chunks *chunks, const char *bytes, size_t n,
                                           size_t *ret_used, size_t *ret_data) {
    enum http1_chunk_outcome outcome = HTTP1_CHUNK_MORE;
    size_t used = 0;

    *ret_data = 0;
    while (used < n && outcome == HTTP1_CHUNK_MORE) {
        if (chunks->state == CHUNK_DATA) {
            *ret_data = chunks->left < n - used ? (size_t)chunks->left : n - used;
            outcome = HTTP1_CHUNK_DATA;
        } else if (!take_framing(chunks, bytes[used])) {
            outcome = HTTP1_CHUNK_BAD;
        } else {
            used++;
            if (chunks->state == CHUNK_OVER)
                outcome = HTTP1_CHUNK_END;
        }
    }
    *ret_used = used;
    return outcome;
}

void http1_chunks_took(struct http1_chunks *chunks, size_t n) {
    CHECK(chunks->state == CHUNK_DATA && n <= chunks->left);
    chunks->left -= n;
    if (chunks->left == 0)
        chunks->state = CHUNK_DATA_CR;
}

size_t http1_chunk_head(char to[HTTP1_CHUNK_HEAD_MAX], size_t n) {
    static const char digits[] = "0123456789abcdef";
    char text[HTTP1_CHUNK_HEAD_MAX];
    size_t from = sizeof(text);

    text[--from] = '\n';
    text[--from] = '\r';
    for (; n > 0; n >>= 4)
        text[--from] = digits[n & 0xf];
    memcpy(to, text + from, sizeof(text) - from);
    return sizeof(text) - from;
}
