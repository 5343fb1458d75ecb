#include "base/fd.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"

int fd_take(int *fd) {
    int taken = *fd;

    *fd = -1;
    return taken;
}

void fd_close(int *fd) {
    int saved = errno;

    if (*fd >= 0) {
        /* EBADF is a descriptor closed twice: a bug that would sooner or later close somebody
         * else's. Other errors of close(2) leave it closed on Linux. */
        int r = close(fd_take(fd));
        CHECK(r == 0 || errno != EBADF);
    }
    errno = saved;
}

void fd_reset(int fd) {
    struct sockaddr unspec = {.sa_family = AF_UNSPEC};

    /* By number, because the thread sanitizer takes connect() for the birth of a descriptor and
     * would report every thread that uses it meanwhile, which is the very case that this is for. */
    if (syscall(SYS_connect, fd, &unspec, sizeof(unspec)) == 0)
        return;
    /* A unix socket (EINVAL), or a kernel between 6.1.33 and 6.1.60 that will not dissolve a
     * connection on which a thread waits (EBUSY): the linger option makes the last close a reset.
     */
    struct linger hard = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    (void)shutdown(fd, SHUT_RDWR);
}
