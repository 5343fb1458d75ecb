#include "base/fd.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#define BUSY_TRIES      50
#define BUSY_PAUSE_NSEC 200000

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

bool fd_listens(int fd) {
    int listening = 0;
    socklen_t size = sizeof(listening);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

bool fd_has_input(int fd) {
    struct pollfd look = {.fd = fd, .events = POLLIN};

    return poll(&look, 1, 0) > 0;
}

bool fd_has_error(int fd) {
    struct pollfd look = {.fd = fd};

    return poll(&look, 1, 0) > 0 && (look.revents & POLLERR) != 0;
}

/* connect(2) by number, because the thread sanitizer takes connect() for the birth of a descriptor
 * and would report every thread that uses it meanwhile, which is the very case that this is for. */
static bool dissolve_connection(int fd) {
    struct sockaddr unspec = {.sa_family = AF_UNSPEC};

    return syscall(SYS_connect, fd, &unspec, sizeof(unspec)) == 0;
}

void fd_reset(int fd) {
    struct timespec pause = {.tv_nsec = BUSY_PAUSE_NSEC};
    struct linger hard = {.l_onoff = 1, .l_linger = 0};

    if (dissolve_connection(fd))
        return;
    /* Linux 6.1.33 to 6.1.59 and 6.4 to 6.6 do not dissolve a connection on which a thread waits. A
     * reader can be sent away in silence; a writer only by an end of data, after which the reset
     * comes with the last close. */
    for (int tries = 0; errno == EBUSY && tries < BUSY_TRIES; tries++) {
        (void)shutdown(fd, SHUT_RD);
        if (dissolve_connection(fd))
            return;
        (void)nanosleep(&pause, NULL);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    (void)shutdown(fd, SHUT_RDWR);
}
