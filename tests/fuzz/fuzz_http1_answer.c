/* The head of an answer: one outcome however it is cut; its parts lie within it; written anew it is
 * the same. The first byte is the method of the request. */
#include "http1.h"

static void check_answer(const char *bytes, const struct http1_head *head, int method) {
    static char first[HTTP1_HEAD_MAX], anew[2 * HTTP1_HEAD_MAX];
    int n_first = snprintf(first, sizeof(first), "HTTP/1.%d %03d ", !head->v1_0, head->status);
    size_t n;

    memcpy(first + n_first, bytes + head->reason.at, head->reason.n);
    memcpy(first + n_first + head->reason.n, "\r\n", 2);
    n = write_anew(bytes, head, first, (size_t)n_first + head->reason.n + 2, anew);
    CHECK(head->status >= 100 && head->status <= 999 && head->target.n == 0 && head->skipped == 0);
    CHECK(head->framing != HTTP1_UNTIL_END || head->close);
    CHECK(head->framing == HTTP1_NO_BODY || (head->status >= 200 && head->status != 204 &&
                                             head->status != 304 && method != HTTP1_HEAD));
    if (n > HTTP1_HEAD_MAX) /* blanks were added */
        return;
    struct fuzzed again = fuzzed_parse(anew, n, method);
    CHECK(again.outcome == HTTP1_WHOLE && again.head.length == n);
    check_same_head(bytes, head, anew, &again.head);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n) {
    const char *bytes = (const char *)input + 1;
    int method;

    if (n-- == 0)
        return 0;
    method = input[0] % (HTTP1_PATCH + 1);
    struct fuzzed whole = fuzzed_parse(bytes, n, method);
    check_prefixes(bytes, n, method, &whole);
    if (whole.outcome == HTTP1_BAD)
        CHECK(whole.fault.status == 502 && whole.fault.why[0] != '\0');
    if (whole.outcome == HTTP1_WHOLE) {
        check_spans(bytes, n, &whole.head);
        check_answer(bytes, &whole.head, method);
    }
    return 0;
}
