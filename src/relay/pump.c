#include "relay/pump.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "relay/copy.h"

/* Before the write: the bytes are in hand, and since now the direction is not idle. The kernel's
 * socket lock orders this store before whatever the write does (stolen_error in conn.c relies on
 * it). */
static void hold(struct flow *flow) {
    atomic_store_explicit(&flow->holding, true, memory_order_relaxed);
    atomic_store_explicit(&flow->active, clock_coarse(), memory_order_relaxed);
}

static void let_go(struct flow *flow, const struct copy *copy) {
    atomic_store_explicit(&flow->bytes, copy->written, memory_order_relaxed);
    atomic_store_explicit(&flow->active, clock_coarse(), memory_order_relaxed);
    atomic_store_explicit(&flow->holding, false, memory_order_release);
}

/* Until the source ends: false. Or the sink fails: true, and what the source still sends is to be dropped. */
static bool carry(struct conn *conn, enum direction dir, struct copy *copy) {
    int from = conn->fd[conn_source(dir)], to = conn->fd[conn_sink(dir)];
    struct flow *flow = &conn->state->flow[dir];

    for (;;) {
        ssize_t n = copy_read(copy, from);

        if (n == 0) {
            conn_source_ended(conn, dir, copy->written);
            return false;
        }
        if (n < 0) {
            conn_source_failed(conn, dir, (int)-n);
            return false;
        }
        hold(flow);
        int r = copy_write(copy, to);
        if (r < 0)
            conn_sink_failed(conn, dir, -r); /* before let_go: stolen_error in conn.c */
        let_go(flow, copy);
        if (r < 0)
            return true;
    }
}

/* Nobody wants what the source still sends; reading it lets the source come to its end. */
static void drop(struct conn *conn, enum direction dir, char *buffer) {
    int from = conn->fd[conn_source(dir)];

    while (!atomic_load(&conn->over)) {
        ssize_t n = recv(from, buffer, COPY_BUFFER_SIZE, 0);

        if (n == 0)
            return;
        if (n < 0 && errno != EINTR) {
            conn_source_failed(conn, dir, errno);
            return;
        }
    }
}

void pump_run(struct conn *conn, enum direction dir, char *buffer) {
    bool drops = conn->fd[conn_sink(dir)] < 0; /* a refused client */

    if (!drops) {
        struct copy copy;

        copy_init(&copy, conn->state->options.copy, conn->pipes, buffer);
        drops = carry(conn, dir, &copy);
        copy_release(&copy);
    }
    if (drops)
        drop(conn, dir, buffer);
}
