/* Carrying bytes of TLS so that another process can go on: the fourth copy engine, by the steps of
 * record/passage.h. What it has in hand is still in the source's socket, or in the stash: that is
 * all the memory it needs. */
#ifndef CONN_COPY_PASSAGE_H
#define CONN_COPY_PASSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conn/passage.h"
#include "conn/tls_buffers.h"
#include "record/conn_state.h"

struct tls_session;

/* What the engine has of its connection. */
struct kept_passage {
    struct passage *passage;
    uint8_t *stash; /* of the direction */
    enum side sink;
    struct passage_side *from_side;
    struct passage_side *to_side;
    struct passage_rest rest;
    struct flow *flow;
    enum direction dir;
    const _Atomic bool *parks; /* true: stop, with nothing in memory */
};

/* One direction. Its pump's alone. */
struct copy_passage {
    const struct kept_passage *kept;
    struct tls_session *from, *to; /* NULL: that side is plain */
    struct tls_buffers *buffers;
    struct tls_buffer *in, *out; /* NULL: nothing is in hand */
    bool tcp;                    /* the source is: what is on it can be waited for */
    bool heeds;                  /* a stream's: a look that is interrupted returns -EINTR */
    uint64_t limit;              /* bytes that are left of a message's body; 0: all that comes */
    size_t wire;                 /* of `in`: bytes that the step takes off the source */
    size_t taken;                /* of these: bytes that are in the stash */
    size_t seen;                 /* bytes of the source since the last that was taken off it */
    size_t n_pieces;             /* of `in`: what goes on, of all of these bytes */
    size_t plain;                /* bytes of them */
    uint8_t alert;               /* of the source, that came last */
    bool over;                   /* close_notify has come */
    bool torn;                   /* the source has ended, or is, within a record */
    bool resumes;                /* a step of the previous process is not done */
    unsigned streak;             /* as in copy_tls.h */
    usec_t last;
    int timed;
};

#define COPY_UNLIKE (-4099) /* the bytes of a step are not those that were noted; see COPY_CUT */

void copy_passage_init(struct copy_passage *copy, const struct kept_passage *kept,
                       struct tls_session *from, struct tls_session *to,
                       struct tls_buffers *buffers, int source);
void copy_passage_release(struct copy_passage *copy);

/* Gives the buffers back that what is in hand lies in, unless more is sure to come soon. */
void copy_passage_give(struct copy_passage *copy, int from);

/* As copy_tls_read; -EINTR: it parks, and nothing is in hand. */
ssize_t copy_passage_read(struct copy_passage *copy, int from) MUST_USE;

/* As copy_tls_write, of all that is in hand; -EINTR: it parks, and the next process does the rest
 * of the step. First of all a step that is not done; from: the source. COPY_UNLIKE: it cannot
 * be. */
int copy_passage_write(struct copy_passage *copy, int from, int to, uint64_t *ret_written) MUST_USE;

/* As copy_tls_end; but the caller must not rely on MSG_MORE. */
int copy_passage_end(struct copy_passage *copy, int to) MUST_USE;

#endif
