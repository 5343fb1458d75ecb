/* Instead of copy_tls.c in a build without TLS, where no side ever speaks it. */
#include "conn/copy_tls.h"

#include <errno.h>

#include "base/check.h"

void copy_tls_init(struct copy_tls *copy, struct tls_session *from, struct tls_session *to,
                   struct tls_buffers *buffers, _Atomic usec_t *active) {
    (void)copy;
    (void)buffers;
    (void)active;
    CHECK(from == NULL && to == NULL);
}

void copy_tls_release(struct copy_tls *copy) {
    (void)copy;
}

void copy_tls_why(const struct tls_session *from, uint8_t alert, ssize_t n, bool heard,
                  char ret_why[TLS_REASON_MAX]) {
    (void)from, (void)alert, (void)n, (void)heard;
    ret_why[0] = '\0';
}

ssize_t copy_tls_read(struct copy_tls *copy, int from, size_t *ret_wire) {
    (void)copy;
    (void)from;
    *ret_wire = 0;
    return -ENOTSUP;
}

int copy_tls_write(struct copy_tls *copy, int to, uint64_t *ret_written) {
    (void)copy;
    (void)to;
    (void)ret_written;
    return -ENOTSUP;
}

size_t copy_tls_take(struct copy_tls *copy, char *to, size_t n) {
    (void)copy, (void)to, (void)n;
    return 0;
}

int copy_tls_end(struct copy_tls *copy, int to) {
    (void)copy;
    (void)to;
    return -ENOTSUP;
}
