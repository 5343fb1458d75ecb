/* A head on its way out: pieces of the one that came, which is not copied, and of our own. Pure;
 * any thread. */
#ifndef HTTP_OUT_H
#define HTTP_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define HTTP_OUT_PARTS 232  /* at most: each field may be by itself between two that are not */
#define HTTP_OUT_OWN   8192 /* bytes of ours */

struct http_out {
    struct iovec parts[HTTP_OUT_PARTS];
    size_t n;     /* parts */
    size_t total; /* bytes */
    size_t n_own;
    bool full; /* what was added last did not fit, and is not there */
    char own[HTTP_OUT_OWN];
};

/* Nothing; leaves the rest as it is. */
void http_out_begin(struct http_out *out);

/* Bytes that stay where they are for as long as it is used. */
void http_out_keep(struct http_out *out, const char *bytes, size_t n);

/* A copy of these. */
void http_out_copy(struct http_out *out, const char *bytes, size_t n);
void http_out_text(struct http_out *out, const char *text);
void http_out_number(struct http_out *out, uint64_t number);

#endif
