/* Connections that are to end in order once they are silent: in a drain, or told so. */
#include <stdatomic.h>

#include "conn/conn.h"

bool conn_is_asked(const struct conn *conn) {
    usec_t asked = atomic_load(&conn->state->flow[DIR_UP].spoke);

    if (atomic_load_explicit(&conn->wait.asked, memory_order_relaxed))
        return true;
    return asked != 0 && asked >= atomic_load(&conn->state->flow[DIR_DOWN].spoke);
}

bool conn_tell(struct conn *conn, usec_t idle) {
    lock_acquire(&conn->registry->lock);
    bool lives = !conn->state->aborted && conn->state->expired == 0 && conn->fd[SIDE_SERVER] >= 0;
    if (lives) {
        conn->state->told_idle = idle;
        registry_review_by(conn->registry, &conn->node, clock_now());
    }
    lock_release(&conn->registry->lock);
    return lives;
}

usec_t conn_drain_idle(const struct registry *registry, const struct conn *conn) {
    if (conn->state->told_idle != 0)
        return conn->state->told_idle;
    if (registry->drain_idle == USEC_NEVER || !conn->state->options.http ||
        conn_goes_on(conn, registry->drain_epoch))
        return USEC_NEVER;
    return registry->drain_idle;
}
