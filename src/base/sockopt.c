#include "base/sockopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>

/* Unanswered probes, at a fourth of the idle time each: tcp(7), TCP_KEEPCNT. The kernel counts in
 * seconds. */
#define PROBES_MOST  4
#define PROBES_LEAST 2

#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44 /* linux/tcp.h since 6.15 */
#endif
#define RTO_MAX_LEAST 1000 /* milliseconds: the range that the kernel takes */
#define RTO_MAX_MOST  120000

/* Bytes that a socket holds, at the most, and that are not even on their way. Those that are, the
 * windows bound alone, so a fast and long network has all that it can use; these lie ready for the
 * next acknowledgement. The pump is woken when half of them are gone: the other half of a client's
 * lasts 1 ms at 1 Gbit/s, and 0.1 ms at 10. Without a bound, a peer that closes its window has all
 * of tcp_wmem waiting for it, 4 MiB. Clients are many and may mean harm; servers are near, so that
 * less than this costs bytes per second there. What each costs: tests/bench/README.md, "A reader
 * that stalls". */
#define UNSENT_TO_CLIENT (256 * 1024)
#define UNSENT_TO_SERVER (1024 * 1024)

/* Bytes that a new socket takes at once, whatever it is: less than the default of tcp_wmem. */
#define ROOM_ALWAYS 4096

static void set_int(int fd, int level, int option, int value) {
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

static void set_linger(int fd, bool reset) {
    struct linger linger = {.l_onoff = reset, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static int clamp(int value, int least, int most) {
    return value < least ? least : value > most ? most : value;
}

usec_t sockopt_keepalive(usec_t keepalive) {
    return (keepalive + USEC_PER_SEC - 1) / USEC_PER_SEC * USEC_PER_SEC;
}

static void tune_socket(int fd, usec_t keepalive) {
    int idle = (int)(sockopt_keepalive(keepalive) / USEC_PER_SEC);

    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_int(fd, SOL_SOCKET, SO_OOBINLINE, 1); /* urgent bytes are bytes: none may be lost */
    set_linger(fd, true);
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, idle > 0);
    if (idle == 0)
        return;
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, (idle + PROBES_MOST - 1) / PROBES_MOST);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, clamp(idle, PROBES_LEAST, PROBES_MOST));
    set_int(fd, IPPROTO_TCP, TCP_RTO_MAX_MS,
            clamp(idle * (1000 / PROBES_MOST), RTO_MAX_LEAST, RTO_MAX_MOST));
}

void sockopt_set_client(int fd, usec_t keepalive) {
    tune_socket(fd, keepalive);
    set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_TO_CLIENT);
}

void sockopt_set_server(int fd, usec_t keepalive) {
    tune_socket(fd, keepalive);
    set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_TO_SERVER);
}

void sockopt_set_for_end(int fd) {
    set_linger(fd, false);
}

void sockopt_make_room(int fd, size_t n) {
    if (n > ROOM_ALWAYS)
        set_int(fd, SOL_SOCKET, SO_SNDBUF, (int)(2 * n));
}

int sockopt_set_receive_timeout(int fd, usec_t span) {
    struct timeval timeout = clock_timeval(span);

    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ? -errno : 0;
}

int sockopt_set_send_timeout(int fd, usec_t span) {
    struct timeval timeout = clock_timeval(span);

    return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ? -errno : 0;
}

int sockopt_set_peek_offset(int fd, int offset) {
    return setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) < 0 ? -errno : 0;
}
