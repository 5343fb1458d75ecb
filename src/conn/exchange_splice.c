/* by_steps: bodies in bulk between two plain sides. What is under way is in a pipe that the keeper
 * has, too; how much of it, and how much was sent, the kernel knows (PASSAGE_SPLICE). */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "conn/exchange_inside.h"
#include "conn/source.h"

/* Bytes of a body for which pipes are worth while: those that are there, or new ones. */
#define WITH_PIPES    ((uint64_t)32 * 1024)
#define WITHOUT_PIPES ((uint64_t)64 * 1024)

static bool is_long(const struct conn *conn, uint64_t left) {
    const struct table_slot *slot = &conn->hold.link->table->slots[conn->hold.slot];

    return left >= WITHOUT_PIPES || (left >= WITH_PIPES && slot->pipe[DIR_UP].read >= 0);
}

static bool get_pipes(struct conn *conn) {
    struct link *link = conn->hold.link;
    const struct table_slot *slot = &link->table->slots[conn->hold.slot];

    if (conn->tls[SIDE_CLIENT] != NULL || conn->tls[SIDE_SERVER] != NULL ||
        !source_is_tcp(conn->fd[SIDE_CLIENT]) || !source_is_tcp(conn->fd[SIDE_SERVER]) ||
        conn->state->options.copy == COPY_BUFFER ||
        table_open_pipes(link->table, conn->hold.slot) < 0)
        return false;
    if (atomic_load(&slot->pipes_held) != atomic_load(&link->epoch))
        link_hold(&conn->hold, conn->fd);
    return atomic_load(&slot->pipes_held) == atomic_load(&link->epoch);
}

bool exchange_begin_splice(struct exchange_side *side, uint64_t left, struct pipe_ends *ret_pipe) {
    struct conn *conn = side->conn;
    struct passage *passage = &conn->passages->way[side->dir];
    enum side to = conn_sink(side->dir);

    if (!is_long(conn, left))
        return false;
    if (atomic_exchange(&side->exchange->opens_pipes, true)) /* the other pump does, just now */
        return false;
    bool able = get_pipes(conn);
    atomic_store(&side->exchange->opens_pipes, false);
    if (!able)
        return false;
    *ret_pipe = conn->hold.link->table->slots[conn->hold.slot].pipe[side->dir];
    struct passage_mark *draft = passage_draft(passage);
    draft->exchange = side->next;
    draft->exchange.body = *side->body;
    draft->sent[to] = side->exchange->sent[to];
    draft->sink = (uint8_t)to;
    draft->step = PASSAGE_SPLICE;
    passage_commit(passage);
    return true;
}

void exchange_empty_pipe(struct exchange_side *side, const struct pipe_ends *pipe) {
    int n = 0;

    while (ioctl(pipe->read, FIONREAD, &n) == 0 && n > 0) {
        size_t most = (size_t)n < PUMP_BUFFER_SIZE ? (size_t)n : PUMP_BUFFER_SIZE;
        ssize_t r = read(pipe->read, side->room->buffer, most);

        CHECK(r > 0 || errno == EINTR); /* they are there, and nobody else reads them */
    }
}

void exchange_end_splice(struct exchange_side *side, uint64_t left) {
    struct passage *passage = &side->conn->passages->way[side->dir];
    struct passage_mark *draft = passage_draft(passage);
    uint64_t carried = draft->exchange.body.left - left;

    side->exchange->sent[draft->sink] += carried;
    side->in.wire += carried;
    draft->read = side->in.wire;
    draft->sent[draft->sink] = side->exchange->sent[draft->sink];
    draft->exchange.body.left = left;
    draft->bytes = atomic_load(&side->conn->state->flow[side->dir].bytes);
    draft->step = PASSAGE_MESSAGE;
    draft->size = draft->took = 0;
    passage_commit(passage);
    passage_done(passage);
}

int exchange_resume_splice(struct exchange_side *side) {
    struct conn *conn = side->conn;
    struct passage_rest *rest = &conn->rest[side->dir];
    const struct table_slot *slot = &conn->hold.link->table->slots[conn->hold.slot];
    const struct pipe_ends *pipe = &slot->pipe[side->dir];
    int to = conn->fd[conn_sink(side->dir)], r = rest->dead ? -EPIPE : 0;

    while (rest->left > 0 && r == 0) {
        ssize_t n = splice(pipe->read, NULL, to, NULL, (size_t)rest->left, SPLICE_F_MOVE);

        if (n < 0 && errno != EINTR)
            r = -errno;
        if (n > 0) {
            rest->left -= (uint64_t)n;
            rest->done += (uint64_t)n;
        }
        if (rest->left > 0 && r == 0 && exchange_parks(side->exchange))
            return -EINTR;
    }
    if (r < 0)
        exchange_empty_pipe(side, pipe);
    /* The sides stand where the mark does, before all that was spliced. */
    side->exchange->sent[conn_sink(side->dir)] =
        passage_now(&conn->passages->way[side->dir])->sent[conn_sink(side->dir)];
    atomic_fetch_add(&conn->state->flow[side->dir].bytes, rest->done);
    side->next.body.left -= rest->done + rest->left;
    exchange_end_splice(side, side->next.body.left);
    rest->undone = false;
    return r;
}
