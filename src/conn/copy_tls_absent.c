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

bool copy_tls_is_torn(const struct copy_tls *copy) {
    (void)copy;
    return false;
}

int copy_tls_end(struct copy_tls *copy, int to) {
    (void)copy;
    (void)to;
    return -ENOTSUP;
}
