/* Instead of copy_passage.c in a build without TLS, where no side ever speaks it. */
#include "conn/copy_passage.h"

#include <errno.h>

#include "base/check.h"

void copy_passage_init(struct copy_passage *copy, const struct kept_passage *kept,
                       struct tls_session *from, struct tls_session *to,
                       struct tls_buffers *buffers, int source) {
    (void)copy, (void)kept, (void)buffers, (void)source;
    CHECK(from == NULL && to == NULL);
}

void copy_passage_release(struct copy_passage *copy) {
    (void)copy;
}

void copy_passage_give(struct copy_passage *copy, int from) {
    (void)copy, (void)from;
}

ssize_t copy_passage_read(struct copy_passage *copy, int from) {
    (void)copy, (void)from;
    return -ENOTSUP;
}

int copy_passage_write(struct copy_passage *copy, int from, int to, uint64_t *ret_written) {
    (void)copy, (void)from, (void)to, (void)ret_written;
    return -ENOTSUP;
}

int copy_passage_end(struct copy_passage *copy, int to) {
    (void)copy, (void)to;
    return -ENOTSUP;
}
