#include "conn/source.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/kill_point.h"

bool source_is_tcp(int fd) {
    int domain = 0;
    socklen_t size = sizeof(domain);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain != AF_UNIX;
}

/* TCP takes them off without copying them (tcp(7), MSG_TRUNC). What sanitizers have in the place of
 * recv(3) takes that for a write to memory. */
static ssize_t drop_some(int fd, bool tcp, size_t n) {
    char rest[2048];

    if (tcp)
        return syscall(SYS_recvfrom, fd, NULL, n, MSG_TRUNC, NULL, NULL);
    return recv(fd, rest, n < sizeof(rest) ? n : sizeof(rest), 0);
}

void source_discard(int fd, bool tcp, size_t n, unsigned dir) {
    while (n > 0) {
        ssize_t r = drop_some(fd, tcp, SHORT_SEND(n));

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            fd_reset(fd); /* what is still there would be taken for more */
        if (r <= 0)
            return;
        n -= (size_t)r;
        if (n > 0)
            KILL_POINT_DIR(DISCARDED_PART, dir);
    }
    (void)dir; /* an ordinary build has no kill points */
}

ssize_t source_await(int fd, size_t n) {
    return syscall(SYS_recvfrom, fd, NULL, n, MSG_PEEK | MSG_TRUNC | MSG_WAITALL, NULL, NULL);
}
