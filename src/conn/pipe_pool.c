#include "conn/pipe_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

void pipe_pool_init(struct pipe_pool *pool, size_t limit) UNCHECKED {
    lock_init(&pool->lock, RANK_LEAF);
    pool->limit = limit;
    pool->made = pool->n_free = 0;
}

void pipe_pool_set_limit(struct pipe_pool *pool, size_t limit) {
    lock_acquire(&pool->lock);
    pool->limit = limit;
    lock_release(&pool->lock);
}

void pipe_pool_destroy(struct pipe_pool *pool) UNCHECKED {
    CHECK(pool->made == pool->n_free);
    while (pool->n_free > 0) {
        struct pipe_ends *pipe = &pool->free[--pool->n_free];

        fd_close(&pipe->read);
        fd_close(&pipe->write);
    }
    lock_destroy(&pool->lock);
}

static void uncount_pipe(struct pipe_pool *pool) {
    lock_acquire(&pool->lock);
    pool->made--;
    lock_release(&pool->lock);
}

int pipe_pool_get(struct pipe_pool *pool, struct pipe_ends *ret_pipe) {
    int fds[2];
    bool got, may_make;

    lock_acquire(&pool->lock);
    got = pool->n_free > 0;
    if (got)
        *ret_pipe = pool->free[--pool->n_free];
    may_make = !got && pool->made < pool->limit;
    if (may_make)
        pool->made++;
    lock_release(&pool->lock);
    if (got)
        return 0;
    if (!may_make)
        return -EMFILE;
    if (pipe2(fds, O_CLOEXEC) < 0) {
        int error = errno;

        uncount_pipe(pool);
        return -error;
    }
    *ret_pipe = (struct pipe_ends){.read = fds[0], .write = fds[1]};
    return 0;
}

void pipe_pool_put(struct pipe_pool *pool, struct pipe_ends *pipe, bool empty) {
    if (pipe->read < 0)
        return;
    if (empty) {
        lock_acquire(&pool->lock);
        if (pool->n_free < PIPE_POOL_KEPT) {
            pool->free[pool->n_free++] = *pipe;
            *pipe = (struct pipe_ends){.read = -1, .write = -1};
        }
        lock_release(&pool->lock);
    }
    if (pipe->read >= 0) {
        fd_close(&pipe->read);
        fd_close(&pipe->write);
        uncount_pipe(pool);
    }
}
