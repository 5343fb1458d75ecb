/* The head of a request: one outcome however it is cut; its parts lie within it; written anew it is
 * the same. */
#include "http1.h"

static void check_request(const char *bytes, const struct http1_head *head) {
    static char first[HTTP1_HEAD_MAX], anew[2 * HTTP1_HEAD_MAX];
    int n_first = snprintf(first, sizeof(first), "%.*s %.*s HTTP/1.%d\r\n", head->method_text.n,
                           bytes + head->method_text.at, head->target.n, bytes + head->target.at,
                           !head->v1_0);
    size_t n = write_anew(bytes, head, first, (size_t)n_first, anew);

    CHECK(head->skipped == 0 || head->skipped == 2);
    CHECK(head->status == 0 && head->framing != HTTP1_UNTIL_END && head->method != HTTP1_CONNECT);
    CHECK(head->path.n + head->query.n <= head->target.n && head->path.n <= HTTP1_TARGET_MAX);
    CHECK(head->host.n > 0 || (head->v1_0 && http1_find(head, HTTP1_HOST) == NULL));
    CHECK(head->host.n <= head->authority.n && head->host.n < 256);
    (void)http1_path_is_plain(bytes, head->path);
    if (n > HTTP1_HEAD_MAX) /* blanks were added */
        return;
    struct fuzzed again = fuzzed_parse(anew, n, -1);
    CHECK(again.outcome == HTTP1_WHOLE && again.head.length == n);
    check_same_head(bytes, head, anew, &again.head);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n) {
    const char *bytes = (const char *)input;
    struct fuzzed whole = fuzzed_parse(bytes, n, -1);

    check_prefixes(bytes, n, -1, &whole);
    if (whole.outcome == HTTP1_BAD)
        CHECK(whole.fault.status >= 400 && whole.fault.status <= 505 && whole.fault.why[0] != '\0');
    if (whole.outcome == HTTP1_WHOLE) {
        check_spans(bytes, n, &whole.head);
        check_request(bytes, &whole.head);
    }
    return 0;
}
