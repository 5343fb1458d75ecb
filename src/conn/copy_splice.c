#include <errno.h>
#include <fcntl.h>

#include "conn/copy.h"

/* More than a pipe of 16 slots can hold even if each slot is a large page fragment: splice(2) then
 * takes whatever is there and returns as soon as the pipe, which is empty at the call, is full. */
#define SPLICE_MOST ((size_t)1 << 20)

ssize_t copy_splice_read(struct copy *copy, int from) {
    ssize_t n = splice(from, NULL, copy->pipe.write, NULL, SPLICE_MOST, SPLICE_F_MOVE);

    return n < 0 ? -errno : n;
}

ssize_t copy_splice_write(struct copy *copy, int to) {
    ssize_t n = splice(copy->pipe.read, NULL, to, NULL, copy->in_hand, SPLICE_F_MOVE);

    return n < 0 ? -errno : n;
}
