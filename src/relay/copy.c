#include "relay/copy.h"

#include <errno.h>

#include "base/stats.h"

/* Each read that fills the buffer adds FULL_READ, each other takes one away: two full reads in a row are bulk,
 * and so are messages a little larger than the buffer, one after the other. For both the pipe is cheaper (one
 * splice in and one out, and no copy; measured with answers of 16 KiB, tests/bench). */
#define FULL_READ 2
#define BULK      4

#define SMALL_READS_TO_BUFFER 8    /* in a row: it is no longer */
#define SMALL_READ            4096 /* bytes; below it a buffer beats two splices */

static bool splicing(const struct copy *copy) {
    return copy->pipe.read >= 0;
}

static void begin_splicing(struct copy *copy) {
    copy->streak = 0;
    if (pipe_pool_get(copy->pipes, &copy->pipe) < 0)
        stats_add(STAT_no_pipes, 1);
}

void copy_init(struct copy *copy, enum copy_mode mode, struct pipe_pool *pipes, char *buffer) {
    *copy = (struct copy){
        .mode = mode, .pipes = pipes, .pipe = {.read = -1, .write = -1}, .buffer = buffer};
    if (mode == COPY_SPLICE)
        begin_splicing(copy);
}

void copy_release(struct copy *copy) {
    pipe_pool_put(copy->pipes, &copy->pipe, copy->in_hand == 0 || !copy->in_pipe);
    copy->in_hand = 0;
}

/* After a read of n bytes that is written by now: would the other engine do better? */
static void reconsider(struct copy *copy, size_t n) {
    if (!splicing(copy)) {
        if (n == COPY_BUFFER_SIZE)
            copy->streak += FULL_READ;
        else if (copy->streak > 0)
            copy->streak--;
        if (copy->streak >= BULK)
            begin_splicing(copy);
    } else {
        copy->streak = n < SMALL_READ ? copy->streak + 1 : 0;
        if (copy->streak >= SMALL_READS_TO_BUFFER) {
            copy->streak = 0;
            pipe_pool_put(copy->pipes, &copy->pipe, true);
        }
    }
}

ssize_t copy_read(struct copy *copy, int from) {
    ssize_t n;

    CHECK(copy->in_hand == 0);
    do {
        copy->in_pipe = splicing(copy);
        n = copy->in_pipe ? copy_splice_read(copy, from) : copy_buffer_read(copy, from);
        if (n == 0 && copy->in_pipe) {
            /* splice stops at TCP's urgent mark as if at the end; recv knows better, and reads past it. */
            copy->in_pipe = false;
            n = copy_buffer_read(copy, from);
        }
    } while (n == -EINTR);
    if (n > 0)
        copy->in_hand = (size_t)n;
    return n;
}

int copy_write(struct copy *copy, int to) {
    size_t all = copy->in_hand;

    while (copy->in_hand > 0) {
        ssize_t n = copy->in_pipe ? copy_splice_write(copy, to) : copy_buffer_write(copy, to);

        if (n == -EINTR)
            continue;
        if (n < 0)
            return (int)n;
        copy->in_hand -= (size_t)n;
        copy->written += (uint64_t)n;
    }
    if (copy->mode == COPY_AUTO)
        reconsider(copy, all);
    return 0;
}
