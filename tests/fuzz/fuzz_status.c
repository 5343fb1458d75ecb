/* The answer to a health check: one verdict, and the same however it is cut into pieces. */
#include "fuzz.h"

#include <string.h>

#include "upstream/check.h"

static char expect[] = "200-399";
static const struct health_check_config config = {
    .type = CHECK_HTTP, .expect = expect, .expected = {{200, 399}}, .n_expected = 1};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    const struct check_wish wish = {.config = &config};
    const char *answer = (const char *)bytes;
    enum check_state whole, pieces = CHECK_GOES_ON;
    char why[CHECK_WHY_MAX] = "";

    if (n > CHECK_ANSWER_MAX)
        return 0;
    whole = check_http_ops.judge(&wish, answer, n, true, why, sizeof(why));
    CHECK(whole == CHECK_GOOD || whole == CHECK_BAD);
    CHECK(whole == CHECK_GOOD || strlen(why) > 0);
    for (size_t i = 0; i <= n && pieces == CHECK_GOES_ON; i++)
        pieces = check_http_ops.judge(&wish, answer, i, i == n, why, sizeof(why));
    CHECK(pieces == whole);
    return 0;
}
