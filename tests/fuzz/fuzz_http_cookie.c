/* Cookies of a request: what is passed on has none of ours any more, and is what came without them;
 * a token is one that relayd would write. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

#include "http/cookie.h"

#define NAME "r"

static char head_text[HTTP1_HEAD_MAX], passed[HTTP1_HEAD_MAX];

static bool parse(const char *text, size_t n, struct http1_head *ret) {
    struct http1_fault fault;

    return http1_parse_request(text, n, ret, &fault) == HTTP1_WHOLE;
}

static size_t write_out(const struct http_out *out, char *to) {
    size_t n = 0;

    for (size_t i = 0; i < out->n; i++) {
        memcpy(to + n, out->parts[i].iov_base, out->parts[i].iov_len);
        n += out->parts[i].iov_len;
    }
    CHECK(n == out->total);
    return n;
}

/* Its own way back: as it was set. */
static void check_token(struct cookie_token token) {
    static struct http_out out;
    static struct http1_head head;
    char set[256], text[512];

    http_out_begin(&out);
    cookie_add(token, NAME, false, &out);
    CHECK(!out.full && out.total < sizeof(set));
    write_out(&out, set);
    int n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nCookie: %.*s\r\n\r\n",
                     (int)(strlen(NAME "=") + COOKIE_TOKEN_TEXT), set + strlen("Set-Cookie: "));
    CHECK(parse(text, (size_t)n, &head));
    CHECK(cookie_token_equal(cookie_find(text, &head, NAME), token));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n_input) {
    static struct http_out out;
    static struct http1_head head, again;
    static const char before[] = "GET / HTTP/1.1\r\nHost: a\r\nCookie:", behind[] = "\r\n\r\n";
    size_t n = strlen(before);

    if (n_input > sizeof(head_text) - strlen(before) - strlen(behind))
        return 0;
    memcpy(head_text, before, n);
    memcpy(head_text + n, input, n_input);
    memcpy(head_text + n + n_input, behind, strlen(behind));
    n += n_input + strlen(behind);
    if (!parse(head_text, n, &head) || head.length != n)
        return 0;
    struct cookie_token token = cookie_find(head_text, &head, NAME);
    if (!cookie_token_is_none(token))
        check_token(token);
    http_out_begin(&out);
    http_out_keep(&out, head_text, head.fields[0].line.at + (size_t)head.fields[0].line.n);
    for (size_t i = 1; i < head.n_fields; i++)
        if (head.fields[i].known == HTTP1_COOKIE)
            cookie_pass(head_text, &head.fields[i], NAME, &out);
        else
            http_out_keep(&out, head_text + head.fields[i].line.at, head.fields[i].line.n);
    http_out_keep(&out, "\r\n", 2);
    if (out.full)
        return 0;
    size_t n_passed = write_out(&out, passed);
    CHECK(n_passed <= n && parse(passed, n_passed, &again) && again.length == n_passed);
    CHECK(cookie_token_is_none(cookie_find(passed, &again, NAME)));
    /* None is left: what is passed once more stays as it is. */
    for (size_t i = 0; i < again.n_fields; i++) {
        http_out_begin(&out);
        if (again.fields[i].known != HTTP1_COOKIE || again.fields[i].value.n == 0)
            continue;
        cookie_pass(passed, &again.fields[i], NAME, &out);
        CHECK(out.total == again.fields[i].line.n);
    }
    return 0;
}
