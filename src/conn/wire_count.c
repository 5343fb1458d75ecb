#include "conn/wire_count.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* tcpi_state, as the kernel numbers it (linux/tcp_states.h, which is not for programs). */
enum { ESTABLISHED = 1, TIME_WAIT = 6, CLOSE = 7, CLOSE_WAIT = 8, LAST_ACK = 9, CLOSING = 11 };

#define TRIES_MOST 1000

/* Asks for both at one moment: nobody reads or writes, but bytes and acknowledgements arrive. */
static bool ask_both(int fd, unsigned long what, struct tcp_info *ret_info, uint64_t *ret_bytes) {
    int before = -1, after = 0;

    for (int tries = 0; tries < TRIES_MOST && before != after; tries++) {
        socklen_t size = sizeof(*ret_info);

        if (ioctl(fd, what, &before) < 0 ||
            getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret_info, &size) < 0 ||
            ioctl(fd, what, &after) < 0)
            return false;
    }
    *ret_bytes = (uint64_t)after;
    return before == after && after >= 0;
}

/* By the sequence numbers: bytes acknowledged, and queued. */
bool wire_count_sent(int fd, uint64_t *ret) {
    struct tcp_info info = {0};
    uint64_t queued;

    if (!ask_both(fd, SIOCOUTQ, &info, &queued) ||
        (info.tcpi_state != ESTABLISHED && info.tcpi_state != CLOSE_WAIT))
        return false;
    *ret = (uint64_t)info.tcpi_bytes_acked + queued;
    return true;
}

bool wire_is_closed(int fd, uint64_t *ret_taken) {
    struct tcp_info info = {0};
    uint64_t unread;

    if (!ask_both(fd, SIOCINQ, &info, &unread) || info.tcpi_state != CLOSE)
        return false;
    *ret_taken = (uint64_t)info.tcpi_bytes_received - unread;
    return info.tcpi_bytes_received >= unread;
}

bool wire_count_taken(int fd, uint64_t *ret) {
    struct tcp_info info = {0};
    uint64_t unread;

    if (!ask_both(fd, SIOCINQ, &info, &unread) || info.tcpi_state == CLOSE)
        return false;
    bool ended = info.tcpi_state == CLOSE_WAIT || info.tcpi_state == LAST_ACK ||
                 info.tcpi_state == CLOSING || info.tcpi_state == TIME_WAIT;
    uint64_t elsewhere = (uint64_t)ended + unread;
    *ret = (uint64_t)info.tcpi_bytes_received - elsewhere;
    return info.tcpi_bytes_received >= elsewhere;
}

bool wire_is_shut(int fd) {
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
           info.tcpi_state != ESTABLISHED && info.tcpi_state != CLOSE_WAIT;
}
