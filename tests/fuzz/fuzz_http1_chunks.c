/* A chunked body: one outcome and the same data however it is cut and taken; chunked anew by us, it
 * is the same. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "wire/http1.h"

#define BODY_MAX 65536

struct dechunked {
    enum http1_chunk_outcome outcome;
    size_t used;
    char data[BODY_MAX];
    size_t n;
};

/* In pieces of 1 to `most` bytes, of which as few are taken at a time. */
static void dechunk(struct dechunked *ret, const char *bytes, size_t n, size_t most) {
    struct http1_chunks chunks = {0};
    size_t step = 1;

    ret->outcome = HTTP1_CHUNK_MORE;
    ret->n = 0;
    for (ret->used = 0; ret->used < n;) {
        size_t left = n - ret->used, size = step < left ? step : left, used, data;

        step = step * 5 % most + 1;
        ret->outcome = http1_chunks_take(&chunks, bytes + ret->used, size, &used, &data);
        CHECK(used + data <= size && data <= chunks.left);
        CHECK((data > 0) == (ret->outcome == HTTP1_CHUNK_DATA));
        CHECK(ret->outcome != HTTP1_CHUNK_MORE || used == size);
        ret->used += used;
        if (ret->outcome == HTTP1_CHUNK_BAD || ret->outcome == HTTP1_CHUNK_END)
            return;
        data = step < data ? step : data;
        memcpy(ret->data + ret->n, bytes + ret->used, data);
        ret->n += data;
        ret->used += data;
        if (data > 0)
            http1_chunks_took(&chunks, data);
        ret->outcome = HTTP1_CHUNK_MORE;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n) {
    static struct dechunked whole, pieces;
    static char anew[2 * BODY_MAX];
    const char *bytes = (const char *)input;
    size_t written = 0;

    if (n > BODY_MAX / 4)
        return 0;
    dechunk(&whole, bytes, n, n + 1);
    for (size_t most = 1; most < 9; most += 3) {
        dechunk(&pieces, bytes, n, most);
        CHECK(pieces.outcome == whole.outcome && pieces.used == whole.used && pieces.n == whole.n);
        CHECK(memcmp(pieces.data, whole.data, whole.n) == 0);
    }
    if (whole.outcome == HTTP1_CHUNK_BAD) /* known by this byte, no earlier */
        dechunk(&pieces, bytes, whole.used, n);
    if (whole.outcome == HTTP1_CHUNK_BAD)
        CHECK(pieces.outcome == HTTP1_CHUNK_MORE);
    for (size_t at = 0, part = 1; at < whole.n; at += part) {
        part = part * 3 < whole.n - at ? part * 3 : whole.n - at;
        written += http1_chunk_head(anew + written, part);
        memcpy(anew + written, whole.data + at, part);
        memcpy(anew + written + part, "\r\n", 2);
        written += part + 2;
    }
    memcpy(anew + written, HTTP1_LAST_CHUNK, 5);
    dechunk(&pieces, anew, written + 5, 7);
    CHECK(pieces.outcome == HTTP1_CHUNK_END && pieces.used == written + 5);
    CHECK(pieces.n == whole.n && memcmp(pieces.data, whole.data, whole.n) == 0);
    return 0;
}
