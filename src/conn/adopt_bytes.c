#include "conn/adopt_bytes.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "conn/wire_count.h"

#define ESTABLISHED 1 /* as tcpi_state; linux/tcp_states.h is not for programs */

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

/* By the sequence numbers of the sink. */
static bool count_at_sink(const struct conn *conn, enum direction dir, uint64_t *ret_count) {
    uint64_t before = dir == DIR_UP ? conn->state->record.greeting + 1 : 0, all;

    if (!wire_count_sent(conn->fd[conn_sink(dir)], &all))
        return false;
    *ret_count = all - before;
    return all >= before;
}

/* By those of the source, without what is still in the pipe. */
static bool count_at_source(const struct conn *conn, enum direction dir, size_t in_pipe,
                            uint64_t *ret_count) {
    uint64_t elsewhere = in_pipe + (dir == DIR_UP ? conn->state->record.header : 0), all;

    if (!wire_count_taken(conn->fd[conn_source(dir)], &all))
        return false;
    *ret_count = all - elsewhere;
    return all >= elsewhere;
}

uint64_t adopt_taken(const struct conn *conn) {
    uint64_t count;

    return count_at_source(conn, DIR_UP, 0, &count) ? count : 0;
}

uint64_t adopt_bytes(const struct conn *conn, enum direction dir, size_t in_pipe) {
    uint64_t noted = atomic_load(&conn->state->flow[dir].bytes), count;

    if (!count_at_sink(conn, dir, &count) && !count_at_source(conn, dir, in_pipe, &count))
        return noted;
    return count >= noted ? count : noted;
}
