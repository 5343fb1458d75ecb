#include "conn/pump.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/sockopt.h"
#include "conn/answer.h"
#include "conn/carry.h"
#include "conn/exchange.h"

/* A client that was refused is answered once it has begun to ask, or has not for a while. */
static void answer_refused(struct conn *conn) {
    usec_t most = conn->state->options.linger_timeout / 2; /* the rest is for reading it */
    usec_t patience = most < ANSWER_PATIENCE ? most : ANSWER_PATIENCE;
    usec_t until = clock_now() + patience;
    int fd = conn->fd[SIDE_CLIENT];
    char byte;

    bool bounded = sockopt_set_receive_timeout(fd, patience) == 0;
    while (bounded && recv(fd, &byte, 1, MSG_PEEK) < 0 && errno == EINTR && clock_now() < until &&
           !atomic_load(&conn->over))
        continue;
    if (bounded && sockopt_set_receive_timeout(fd, 0) < 0)
        return;
    answer_send(fd, conn->tls[SIDE_CLIENT], conn->state->record.end, conn->pages);
    atomic_store(&conn->state->flow[DIR_UP].active, clock_coarse());
}

void pump_run(struct conn *conn, enum direction dir, struct pump_room *room) {
    if (conn->exchange != NULL) {
        exchange_pump(conn, dir, room);
        return;
    }
    if (conn->fd[SIDE_SERVER] < 0)
        answer_refused(conn);
    carry_run(conn, dir, room);
}
