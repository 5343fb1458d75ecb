/* Empty pipes for splice(2), reused, since one costs four system calls; and bounded, so that
 * descriptors are left for sockets. */
#ifndef CONN_PIPE_POOL_H
#define CONN_PIPE_POOL_H

#include <stddef.h>

#include "base/fd.h"
#include "base/sync.h"

#define PIPE_POOL_KEPT 256 /* free pipes that are kept open */

struct pipe_pool {
    struct lock lock;
    size_t limit GUARDED; /* pipes that may exist */
    size_t made GUARDED;
    size_t n_free GUARDED;
    struct pipe_ends free[PIPE_POOL_KEPT] GUARDED;
};

void pipe_pool_init(struct pipe_pool *pool, size_t limit);
void pipe_pool_set_limit(struct pipe_pool *pool, size_t limit);
void pipe_pool_destroy(struct pipe_pool *pool); /* all pipes must be back */

/* 0 with an empty pipe; -EMFILE if the limit or the process's is reached; or another -errno. */
int pipe_pool_get(struct pipe_pool *pool, struct pipe_ends *ret_pipe) MUST_USE;

/* Takes a pipe back and blanks it. empty = false: bytes are in it, and it is closed. */
void pipe_pool_put(struct pipe_pool *pool, struct pipe_ends *pipe, bool empty);

#endif
