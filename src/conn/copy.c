#include "conn/copy.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/stats.h"
#include "conn/busy.h"
#include "conn/unsent.h"

/* In COPY_WAY_BUFFER: a read that fills the buffer adds FULL_READ, any other takes one away: two
 * full reads in a row are bulk, and so is a row of messages a little larger than the buffer. For
 * both the pipe is cheaper (a splice in, a splice out, no copy; measured with answers of 16 KiB,
 * tests/bench). */
#define FULL_READ 2
#define BULK      4

/* In COPY_WAY_PIPE: this many small reads in a row, and it is bulk no longer. */
#define SMALL_READS 8
#define SMALL_READ  4096 /* bytes; below it a buffer beats two splices */

static bool has_pipe(const struct copy *copy) {
    return copy->pipe.read >= 0;
}

static bool take_pipe(struct copy *copy) {
    if (pipe_pool_get(copy->pipes, &copy->pipe) == 0)
        return true;
    stats_add(STAT_no_pipes, 1);
    return false;
}

static void give_pipe(struct copy *copy) {
    pipe_pool_put(copy->pipes, &copy->pipe, true);
}

static void change_way(struct copy *copy, enum copy_way way) {
    copy->way = way;
    copy->streak = 0;
}

void copy_init(struct copy *copy, enum copy_mode mode, struct pipe_pool *pipes, char *buffer) {
    *copy = (struct copy){.adapts = mode == COPY_AUTO,
                          .way = mode == COPY_AUTO ? COPY_WAY_LOAN : COPY_WAY_BUFFER,
                          .pipes = pipes,
                          .pipe = {.read = -1, .write = -1},
                          .buffer = buffer};
    if (mode == COPY_SPLICE && take_pipe(copy))
        copy->way = COPY_WAY_PIPE;
}

void copy_init_kept(struct copy *copy, const struct kept_pipe *kept, char *buffer) {
    *copy = (struct copy){.kept = kept,
                          .way = COPY_WAY_PIPE,
                          .pipe = kept->ends,
                          .in_pipe = true,
                          .in_hand = kept->in_hand,
                          .written = kept->written,
                          .buffer = buffer};
}

void copy_init_tls(struct copy *copy, struct copy_tls *tls) {
    *copy = (struct copy){.tls = tls, .pipe = {.read = -1, .write = -1}};
}

void copy_init_passage(struct copy *copy, struct copy_passage *passage, int source) {
    *copy = (struct copy){.passage = passage,
                          .from = source,
                          .in_hand = passage->resumes,
                          .written = passage_now(passage->kept->passage)->bytes,
                          .pipe = {.read = -1, .write = -1}};
}

void copy_release(struct copy *copy) {
    if (copy->tls != NULL)
        copy_tls_release(copy->tls);
    if (copy->passage != NULL)
        copy_passage_release(copy->passage);
    if (copy->kept != NULL || copy_speaks_tls(copy))
        return;
    pipe_pool_put(copy->pipes, &copy->pipe, copy->in_hand == 0 || !copy->in_pipe);
    copy->in_hand = 0;
}

/* The buffer's memory is the kernel's: a thread that has sent by send(2) keeps the page fragment of
 * its last bytes (32 KiB, task_frag in tcp_sendmsg) as long as it lives. */
static void after_loan(struct copy *copy, size_t n) {
    if (n >= COPY_BUFFER_SIZE) {
        change_way(copy, COPY_WAY_PIPE);
        return;
    }
    give_pipe(copy);
    if (busy_note(&copy->streak, &copy->last))
        change_way(copy, COPY_WAY_BUFFER);
}

static void after_buffer(struct copy *copy, size_t n) {
    if (n == COPY_BUFFER_SIZE)
        copy->streak += FULL_READ;
    else if (copy->streak > 0)
        copy->streak--;
    if (copy->streak >= BULK) /* without a pipe: the buffer, until the next BULK */
        change_way(copy, take_pipe(copy) ? COPY_WAY_PIPE : COPY_WAY_BUFFER);
}

static void after_pipe(struct copy *copy, size_t n) {
    copy->streak = n < SMALL_READ ? copy->streak + 1 : 0;
    if (copy->streak < SMALL_READS)
        return;
    give_pipe(copy);
    change_way(copy, COPY_WAY_LOAN);
}

/* After a message of n bytes was written: would another way do better? */
static void adapt_way(struct copy *copy, size_t n) {
    switch (copy->way) {
    case COPY_WAY_LOAN:
        after_loan(copy, n);
        break;
    case COPY_WAY_BUFFER:
        after_buffer(copy, n);
        break;
    case COPY_WAY_PIPE:
    default:
        after_pipe(copy, n);
        break;
    }
}

/* Waits for bytes, takes none: 1, 0 at the end of data, or -errno. */
static ssize_t await_bytes(int from) {
    char first;
    ssize_t n;

    do
        n = recv(from, &first, 1, MSG_PEEK);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static bool is_to_park(const struct copy *copy) {
    return copy->kept != NULL && atomic_load_explicit(copy->kept->parks, memory_order_relaxed);
}

/* splice stops at TCP's urgent mark as if at the end. The byte after it must be read, and while it
 * is only here the connection cannot outlive this process. */
static ssize_t read_past_mark(struct copy *copy, int from) {
    ssize_t n = await_bytes(from);

    if (n <= 0)
        return n;
    atomic_store(copy->kept->in_memory, true);
    n = recv(from, copy->buffer, 1, 0);
    if (n > 0)
        n = write(copy->pipe.write, copy->buffer, 1); /* which is empty */
    int error = n < 0 ? errno : 0;
    atomic_store(copy->kept->in_memory, false);
    return error != 0 ? -error : n;
}

static ssize_t read_kept(struct copy *copy, int from) {
    ssize_t n = -EINTR;

    while (n == -EINTR && !is_to_park(copy)) {
        n = copy_splice_read(copy, from);
        if (n == 0)
            n = read_past_mark(copy, from);
    }
    return n;
}

static ssize_t read_any(struct copy *copy, int from) {
    ssize_t n;

    if (copy->way == COPY_WAY_LOAN) {
        n = await_bytes(from);
        if (n <= 0)
            return n;
        if (!take_pipe(copy))
            change_way(copy, COPY_WAY_BUFFER);
    }
    do {
        copy->in_pipe = has_pipe(copy);
        n = copy->in_pipe ? copy_splice_read(copy, from) : copy_buffer_read(copy, from);
        if (n == 0 && copy->in_pipe) {
            /* splice stops at TCP's urgent mark as if at the end; recv knows better, and reads past
             * it. */
            copy->in_pipe = false;
            n = copy_buffer_read(copy, from);
        }
    } while (n == -EINTR);
    return n;
}

static ssize_t read_tls(struct copy *copy, int from) {
    size_t received;
    ssize_t n = copy_tls_read(copy->tls, from, &received);

    copy->received += received;
    return n;
}

ssize_t copy_read(struct copy *copy, int from) {
    CHECK(copy->in_hand == 0);
    ssize_t n = copy->tls != NULL       ? read_tls(copy, from)
                : copy->passage != NULL ? copy_passage_read(copy->passage, from)
                : copy->kept != NULL    ? read_kept(copy, from)
                                        : read_any(copy, from);

    if (n > 0)
        copy->in_hand = (size_t)n;
    return n;
}

static const struct tls_session *source_session(const struct copy *copy) {
    return copy->tls != NULL ? copy->tls->from : copy->passage != NULL ? copy->passage->from : NULL;
}

static const struct tls_session *sink_session(const struct copy *copy) {
    return copy->tls != NULL ? copy->tls->to : copy->passage != NULL ? copy->passage->to : NULL;
}

bool copy_speaks_tls(const struct copy *copy) {
    return copy->tls != NULL || copy->passage != NULL;
}

bool copy_is_torn(const struct copy *copy) {
    return copy->tls != NULL ? copy_tls_is_torn(copy->tls)
                             : copy->passage != NULL && copy->passage->torn;
}

void copy_why(const struct copy *copy, ssize_t n, bool heard, char ret_why[TLS_REASON_MAX]) {
    uint8_t alert = copy->tls != NULL ? copy->tls->alert : copy->passage->alert;

    copy_tls_why(source_session(copy), alert, n, heard, ret_why);
}

bool copy_end_is_sure(const struct copy *copy) {
    return source_session(copy) != NULL;
}

bool copy_tells_end(const struct copy *copy) {
    return sink_session(copy) != NULL;
}

int copy_end(struct copy *copy, int to) {
    return copy->tls != NULL ? copy_tls_end(copy->tls, to) : copy_passage_end(copy->passage, to);
}

static int write_tls(struct copy *copy, int to) {
    copy->in_hand = 0;
    if (copy->tls != NULL)
        return copy_tls_write(copy->tls, to, &copy->written);
    return copy_passage_write(copy->passage, copy->from, to, &copy->written);
}

int copy_write(struct copy *copy, int to) {
    size_t all = copy->in_hand;

    if (copy_speaks_tls(copy))
        return write_tls(copy, to);

    while (copy->in_hand > 0) {
        if (is_to_park(copy))
            return -EINTR;
        ssize_t n = copy->in_pipe ? copy_splice_write(copy, to) : copy_buffer_write(copy, to);

        if (n == -EINTR)
            continue;
        if (n < 0)
            return -unsent_error(to, (int)-n, copy->in_hand < all);
        copy->in_hand -= (size_t)n;
        copy->written += (uint64_t)n;
    }
    if (copy->adapts)
        adapt_way(copy, all);
    return 0;
}
