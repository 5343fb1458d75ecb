/* The head of an answer to a health check: one outcome, and the same however it is cut into
 * pieces. */
#include "fuzz.h"

#include "wire/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    const char *answer = (const char *)bytes;
    struct http_head once = {0}, piecewise = {0};
    size_t used = 0, taken = 0;
    enum http_head_outcome whole = http_head_take(&once, answer, n, &used), pieces = HTTP_HEAD_MORE;

    for (size_t step = 1; taken < n && pieces == HTTP_HEAD_MORE; step = step * 2 % 7) {
        size_t size = step < n - taken ? step : n - taken, part;

        pieces = http_head_take(&piecewise, answer + taken, size, &part);
        CHECK(part <= size && (part == size || pieces != HTTP_HEAD_MORE));
        taken += part;
    }
    CHECK(pieces == whole && taken == used && used <= n);
    CHECK(once.length <= HTTP_HEAD_MAX + STATUS_LINE_MAX && once.length == piecewise.length);
    CHECK(whole != HTTP_HEAD_WHOLE ||
          (once.line.status == piecewise.line.status && once.content == piecewise.content &&
           once.content >= HTTP_CONTENT_OPEN));
    CHECK(whole != HTTP_HEAD_WHOLE || once.line.status < 100 || once.line.status > 199 ||
          once.line.status == 101);
    return 0;
}
