#include <errno.h>
#include <sys/socket.h>

#include "conn/copy.h"

ssize_t copy_buffer_read(struct copy *copy, int from) {
    ssize_t n = recv(from, copy->buffer, COPY_BUFFER_SIZE, 0);

    copy->in_buffer_at = 0;
    return n < 0 ? -errno : n;
}

ssize_t copy_buffer_write(struct copy *copy, int to) {
    ssize_t n = send(to, copy->buffer + copy->in_buffer_at, copy->in_hand, MSG_NOSIGNAL);

    if (n < 0)
        return -errno;
    copy->in_buffer_at += (size_t)n;
    return n;
}
