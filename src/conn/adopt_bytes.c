#include "conn/adopt_bytes.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* tcpi_state, as the kernel numbers it (linux/tcp_states.h, which is not for programs). */
enum { ESTABLISHED = 1, TIME_WAIT = 6, CLOSE = 7, CLOSE_WAIT = 8, LAST_ACK = 9, CLOSING = 11 };

#define TRIES_MOST 1000

static bool ask_tcp_info(int fd, struct tcp_info *ret_info) {
    socklen_t size = sizeof(*ret_info);

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret_info, &size) == 0;
}

struct adopt_sight adopt_look(int fd) {
    struct tcp_info info = {0};
    int unread = 0;
    bool tcp = ask_tcp_info(fd, &info), waits = ioctl(fd, FIONREAD, &unread) == 0 && unread > 0;

    return (struct adopt_sight){.tcp = tcp,
                                .arrived = waits || (tcp && info.tcpi_state != ESTABLISHED)};
}

/* Asks for both at one moment: nobody reads or writes, but bytes and acknowledgements arrive. */
static bool ask_both(int fd, unsigned long what, struct tcp_info *ret_info, int *ret_bytes) {
    int before = -1, after = 0;

    for (int tries = 0; tries < TRIES_MOST && before != after; tries++)
        if (ioctl(fd, what, &before) < 0 || !ask_tcp_info(fd, ret_info) ||
            ioctl(fd, what, &after) < 0)
            return false;
    *ret_bytes = after;
    return before == after && after >= 0;
}

/* By the sequence numbers of the sink: bytes acknowledged, and queued. The SYN of a dialled one
 * counts as the first. */
static bool count_at_sink(const struct conn *conn, enum direction dir, uint64_t *ret_count) {
    struct tcp_info info = {0};
    uint64_t before = dir == DIR_UP ? conn->state->record.greeting + 1 : 0;
    int queued;

    if (!ask_both(conn->fd[conn_sink(dir)], SIOCOUTQ, &info, &queued) ||
        (info.tcpi_state != ESTABLISHED && info.tcpi_state != CLOSE_WAIT))
        return false;
    uint64_t all = (uint64_t)info.tcpi_bytes_acked + (uint64_t)queued;
    *ret_count = all - before;
    return all >= before;
}

/* By those of the source: bytes received, without the end of data and what is still in the socket
 * or the pipe. */
static bool count_at_source(const struct conn *conn, enum direction dir, size_t in_pipe,
                            uint64_t *ret_count) {
    struct tcp_info info = {0};
    int unread;

    if (!ask_both(conn->fd[conn_source(dir)], SIOCINQ, &info, &unread) || info.tcpi_state == CLOSE)
        return false;
    bool ended = info.tcpi_state == CLOSE_WAIT || info.tcpi_state == LAST_ACK ||
                 info.tcpi_state == CLOSING || info.tcpi_state == TIME_WAIT;
    uint64_t elsewhere = (uint64_t)ended + (uint64_t)unread + in_pipe +
                         (dir == DIR_UP ? conn->state->record.header : 0);
    *ret_count = (uint64_t)info.tcpi_bytes_received - elsewhere;
    return info.tcpi_bytes_received >= elsewhere;
}

uint64_t adopt_bytes(const struct conn *conn, enum direction dir, size_t in_pipe) {
    uint64_t noted = atomic_load(&conn->state->flow[dir].bytes), count;

    if (!count_at_sink(conn, dir, &count) && !count_at_source(conn, dir, in_pipe, &count))
        return noted;
    return count >= noted ? count : noted;
}
