#include "http/out.h"

#include <string.h>

void http_out_begin(struct http_out *out) {
    out->n = 0;
    out->total = 0;
    out->n_own = 0;
    out->full = false;
}

/* Neighbours become one part. */
void http_out_keep(struct http_out *out, const char *bytes, size_t n) {
    struct iovec *last = out->n > 0 ? &out->parts[out->n - 1] : NULL;

    if (n == 0)
        return;
    if (last != NULL && (const char *)last->iov_base + last->iov_len == bytes) {
        last->iov_len += n;
    } else if (out->n < HTTP_OUT_PARTS) {
        /* writev(2) and sendmsg(2) only read it */
        out->parts[out->n++] = (struct iovec){(void *)(uintptr_t)bytes, n};
    } else {
        out->full = true;
        return;
    }
    out->total += n;
}

void http_out_copy(struct http_out *out, const char *bytes, size_t n) {
    if (n > HTTP_OUT_OWN - out->n_own) {
        out->full = true;
        return;
    }
    if (n > 0) /* else there may be no bytes */
        memcpy(out->own + out->n_own, bytes, n);
    out->n_own += n;
    http_out_keep(out, out->own + out->n_own - n, n);
}

void http_out_text(struct http_out *out, const char *text) {
    http_out_copy(out, text, strlen(text));
}

void http_out_number(struct http_out *out, uint64_t number) {
    char digits[20];
    size_t n = sizeof(digits);

    do
        digits[--n] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    http_out_copy(out, digits + n, sizeof(digits) - n);
}
