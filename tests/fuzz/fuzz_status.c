/* The answer to a health check: one outcome, and the same however it is cut into pieces. */
#include "fuzz.h"

#include "wire/status_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    const char *answer = (const char *)bytes;
    struct status_line once = {0}, piecewise = {0};
    enum status_line_outcome whole = status_line_take(&once, answer, n), pieces = STATUS_LINE_MORE;
    size_t taken = 0;

    for (size_t step = 1; taken < n && pieces == STATUS_LINE_MORE; step = step * 2 % 7) {
        size_t size = step < n - taken ? step : n - taken;

        pieces = status_line_take(&piecewise, answer + taken, size);
        taken += size;
    }
    CHECK(pieces == whole);
    CHECK(once.length <= STATUS_LINE_MAX && once.length <= n);
    CHECK(once.status == piecewise.status && once.length == piecewise.length);
    CHECK(whole != STATUS_LINE_WHOLE || (once.status >= 0 && once.status <= 999));
    return 0;
}
