#include "relay/tune.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>

#define PROBES 4 /* unanswered, at a fourth of the idle time each: tcp(7), TCP_KEEPCNT */

static void set(int fd, int level, int option, int value) {
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

static void set_linger(int fd, bool reset) {
    struct linger linger = {.l_onoff = reset, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void tune_socket(int fd, usec_t keepalive) {
    int idle = (int)((keepalive + USEC_PER_SEC - 1) / USEC_PER_SEC);

    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_OOBINLINE, 1); /* urgent bytes are bytes: none may be lost */
    set_linger(fd, true);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, idle > 0);
    if (idle == 0)
        return;
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, (idle + PROBES - 1) / PROBES);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
}

void tune_for_end(int fd) {
    set_linger(fd, false);
}

int tune_receive_timeout(int fd, usec_t span) {
    struct timeval timeout = clock_timeval(span);

    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ? -errno : 0;
}
