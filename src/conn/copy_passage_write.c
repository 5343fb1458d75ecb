/* The second half of a step: what is in hand is sealed, noted, sent, and taken off the source. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/crc32c.h"
#include "base/nonce_watch.h"
#include "base/sockopt.h"
#include "conn/busy.h"
#include "conn/copy_passage_inside.h"
#include "conn/source.h"
#include "conn/unsent.h"
#include "tls/session.h"

/* What a step sends. */
struct parcel {
    struct iovec one, *parts;
    size_t n_parts, size;
    uint32_t sum;
};

/* Sealing */

static void add_tag(struct parcel *parcel, const uint8_t *record, size_t size) {
    parcel->sum = crc32c(parcel->sum, record + size - TLS_TAG_SIZE, TLS_TAG_SIZE);
}

static void send_bytes(struct parcel *parcel, const uint8_t *bytes, size_t n) {
    parcel->one = (struct iovec){(void *)(uintptr_t)bytes, n};
    parcel->parts = &parcel->one;
    parcel->n_parts = 1;
    parcel->size = n;
}

/* In the places that they were put into. 0 or -errno. */
static int seal_step_places(struct copy_passage *copy, struct parcel *parcel) {
    size_t size = 0;

    for (size_t i = 0; i < copy->n_pieces; i++) {
        uint8_t *record = copy->in->bytes + i * passage_place_size(copy);
        ssize_t n = tls_seal(&copy->to->out, TLS_DATA, record, copy->in->pieces[i].iov_len);

        if (n < 0)
            return (int)n;
        add_tag(parcel, record, (size_t)n);
        size += (size_t)n; /* all but the last one are full, so there are no gaps */
    }
    send_bytes(parcel, copy->in->bytes, size);
    return 0;
}

/* The next record's plaintext, across the records that it came in. *piece, *at: where it goes on.
 */
static size_t gather(const struct copy_passage *copy, size_t *piece, size_t *at, uint8_t *plain) {
    size_t n = 0, most = tls_most(&copy->to->out);

    while (*piece < copy->n_pieces && n < most) {
        const struct iovec *from = &copy->in->pieces[*piece];
        size_t rest = from->iov_len - *at, taken = rest < most - n ? rest : most - n;

        memcpy(plain + n, (const uint8_t *)from->iov_base + *at, taken);
        n += taken;
        *at += taken;
        if (*at == from->iov_len) {
            (*piece)++;
            *at = 0;
        }
    }
    return n;
}

/* From one TLS to the other: their records differ, so the bytes are copied. */
static int seal_step_again(struct copy_passage *copy, struct parcel *parcel) {
    size_t size = 0, piece = 0, at = 0;

    if (copy->out == NULL)
        copy->out = tls_buffers_get(copy->buffers);
    if (copy->out == NULL)
        return -ENOMEM;
    while (piece < copy->n_pieces) {
        uint8_t *record = copy->out->bytes + size;
        size_t n = gather(copy, &piece, &at, record + tls_before(&copy->to->out));
        ssize_t sealed = tls_seal(&copy->to->out, TLS_DATA, record, n);

        if (sealed < 0)
            return (int)sealed;
        add_tag(parcel, record, (size_t)sealed);
        size += (size_t)sealed;
    }
    send_bytes(parcel, copy->out->bytes, size);
    return 0;
}

static int make_parcel(struct copy_passage *copy, struct parcel *parcel) {
    *parcel =
        (struct parcel){.parts = copy->in->pieces, .n_parts = copy->n_pieces, .size = copy->plain};
    if (copy->to == NULL)
        return 0;
    int r = copy->from == NULL ? seal_step_places(copy, parcel) : seal_step_again(copy, parcel);
    KILL_POINT_DIR(SEALED, copy->kept->dir);
    return r;
}

/* n: what was sealed to `record`, or -errno. */
static int make_small_parcel(struct parcel *parcel, const uint8_t *record, ssize_t n) {
    *parcel = (struct parcel){.n_parts = 0};
    if (n < 0)
        return (int)n;
    add_tag(parcel, record, (size_t)n);
    send_bytes(parcel, record, (size_t)n);
    return 0;
}

/* Sending */

static void skip_bytes(struct parcel *parcel, size_t n) {
    while (parcel->n_parts > 0 && n >= parcel->parts->iov_len) {
        n -= parcel->parts->iov_len;
        parcel->parts++;
        parcel->n_parts--;
    }
    if (n > 0) {
        parcel->parts->iov_base = (char *)parcel->parts->iov_base + n;
        parcel->parts->iov_len -= n;
    }
}

static size_t bytes_left(const struct parcel *parcel) {
    size_t n = 0;

    for (size_t i = 0; i < parcel->n_parts; i++)
        n += parcel->parts[i].iov_len;
    return n;
}

static ssize_t send_some(const struct parcel *parcel, int to) {
    size_t most = SHORT_SEND(SIZE_MAX);
    struct msghdr message = {.msg_iov = parcel->parts, .msg_iovlen = parcel->n_parts};
    struct iovec one = *parcel->parts;

    if (most < SIZE_MAX) {
        one.iov_len = one.iov_len < most ? one.iov_len : most;
        message.msg_iov = &one;
        message.msg_iovlen = 1;
    }
    return sendmsg(to, &message, MSG_NOSIGNAL);
}

/* All but the first `done` bytes. 0, -errno, or -EINTR: it parks. */
static int send_parcel(struct copy_passage *copy, struct parcel *parcel, int to, uint64_t done) {
    bool cut_short = false;

    skip_bytes(parcel, (size_t)done);
    NONCES_LEAVE();
    while (parcel->n_parts > 0) {
        ssize_t n = send_some(parcel, to);

        if (n < 0 && errno != EINTR)
            return -unsent_error(to, errno, cut_short);
        cut_short |= n > 0;
        if (n > 0)
            skip_bytes(parcel, (size_t)n);
        if (parcel->n_parts > 0)
            KILL_POINT_DIR(SENT_PART, copy->kept->dir);
        if (parcel->n_parts > 0 && passage_parks(copy)) {
            passage_halt(copy->kept->passage, parcel->size - bytes_left(parcel));
            return -EINTR;
        }
    }
    return 0;
}

static void pass_committed(const struct copy_passage *copy, enum passage_step step) {
    if (step == PASSAGE_UPDATE)
        KILL_POINT_DIR(UPDATE_COMMITTED, copy->kept->dir);
    else if (step == PASSAGE_END)
        KILL_POINT_DIR(END_COMMITTED, copy->kept->dir);
    else
        KILL_POINT_DIR(COMMITTED, copy->kept->dir);
}

static void pass_sent(const struct copy_passage *copy, enum passage_step step) {
    if (step == PASSAGE_UPDATE)
        KILL_POINT_DIR(UPDATE_SENT, copy->kept->dir);
    else if (step == PASSAGE_END)
        KILL_POINT_DIR(END_SENT, copy->kept->dir);
    else
        KILL_POINT_DIR(SENT, copy->kept->dir);
}

/* Where the direction will stand. */
static void commit_step(struct copy_passage *copy, enum passage_step step,
                        const struct parcel *parcel) {
    struct passage_mark *draft = passage_draft(copy->kept->passage);

    if (step == PASSAGE_CARRY) {
        draft->read += copy->wire - copy->taken;
        draft->stashed = 0;
        draft->bytes += copy->plain;
        if (copy->limit > 0)
            draft->exchange.body.left = copy->limit - copy->plain;
    }
    draft->sent[copy->kept->sink] += parcel->size;
    /* What else is in hand stays on the source, and is opened anew. */
    if (step == PASSAGE_CARRY && copy->from != NULL) {
        draft->in = passage_keys_in(copy->from);
        draft->rules = copy->from->rules;
    }
    if (copy->to != NULL)
        draft->out[copy->kept->sink] = passage_keys_out(copy->to);
    draft->step = (uint8_t)step;
    draft->sum = parcel->sum;
    KILL_POINT_DIR(NOTED, copy->kept->dir);
    passage_commit(copy->kept->passage);
    pass_committed(copy, step);
}

/* The step that counts is sent. */
static int send_step(struct copy_passage *copy, struct parcel *parcel, int to, uint64_t done) {
    int r = send_parcel(copy, parcel, to, done);

    if (r == 0)
        pass_sent(copy, passage_now(copy->kept->passage)->step);
    return r;
}

/* With the right to write. */
static int send_step_update(struct copy_passage *copy, int to) {
    uint8_t record[TLS_SMALL_RECORD];
    struct parcel parcel;

    if (!tls_session_needs_update(copy->to))
        return 0;
    int r = make_small_parcel(&parcel, record, tls_session_seal_update(copy->to, record));
    if (r < 0)
        return r;
    commit_step(copy, PASSAGE_UPDATE, &parcel);
    passage_note_owed(copy->kept->to_side, copy->to);
    r = send_step(copy, &parcel, to, 0);
    if (r == 0)
        passage_done(copy->kept->passage);
    return r;
}

static int carry_step(struct copy_passage *copy, int from, int to, uint64_t *ret_written) {
    struct parcel parcel;
    int r = make_parcel(copy, &parcel);

    if (r < 0)
        return r;
    commit_step(copy, PASSAGE_CARRY, &parcel);
    r = send_step(copy, &parcel, to, 0);
    if (r < 0)
        return r;
    *ret_written += copy->plain;
    source_discard(from, copy->tcp, copy->wire - copy->taken, copy->kept->dir);
    copy->seen = 0;
    KILL_POINT_DIR(DISCARDED, copy->kept->dir);
    copy->taken = 0;
    return 0;
}

void copy_passage_give(struct copy_passage *copy, int from) {
    if (!busy_note(&copy->streak, &copy->last))
        passage_give_buffers(copy);
    else if (copy->timed < 0 && sockopt_set_receive_timeout(from, PASSAGE_KEPT_FOR) == 0)
        copy->timed = from;
}

/* What the previous process has left */

static int make_again(struct copy_passage *copy, int from, struct parcel *parcel,
                      uint8_t *small_record) {
    const struct passage_mark *now = passage_now(copy->kept->passage),
                              *before = passage_before(copy->kept->passage);

    switch (now->step) {
    case PASSAGE_CARRY:
        if (!passage_read_again(copy, from, copy->taken + (size_t)(now->read - before->read)))
            return COPY_UNLIKE;
        return make_parcel(copy, parcel);
    case PASSAGE_UPDATE:
        return make_small_parcel(parcel, small_record,
                                 tls_session_seal_update(copy->to, small_record));
    case PASSAGE_END:
        return make_small_parcel(parcel, small_record,
                                 tls_session_seal_end(copy->to, small_record));
    default:
        return COPY_UNLIKE;
    }
}

static int resume_step(struct copy_passage *copy, int from, int to) {
    const struct passage_rest *rest = &copy->kept->rest;
    const struct passage_mark *now = passage_now(copy->kept->passage),
                              *before = passage_before(copy->kept->passage);
    enum side sink = copy->kept->sink;
    uint8_t small_record[TLS_SMALL_RECORD];
    struct parcel parcel;
    int r = 0;

    if (rest->dead) /* its error, if nobody was told of it */
        return send(to, "", 0, MSG_NOSIGNAL) < 0 ? -errno : -EPIPE;
    if (rest->again) {
        r = make_again(copy, from, &parcel, small_record);
        if (r == 0 &&
            (parcel.size != now->sent[sink] - before->sent[sink] || parcel.sum != now->sum))
            r = COPY_UNLIKE;
        if (r == 0) {
            pass_committed(copy, now->step);
            passage_go_on(copy->kept->passage);
            r = send_step(copy, &parcel, to, rest->done);
        }
    }
    if (r < 0)
        return r;
    source_discard(from, copy->tcp, (size_t)rest->left, copy->kept->dir);
    KILL_POINT_DIR(DISCARDED, copy->kept->dir);
    copy->seen = copy->taken = now->stashed;
    copy->over = now->over;
    copy->resumes = false;
    return 0;
}

/* Who fails keeps the right to write, lest a record be torn or a nonce used twice. */
int copy_passage_write(struct copy_passage *copy, int from, int to, uint64_t *ret_written) {
    int r = 0;

    if (copy->to != NULL && !tls_session_begin_writing(copy->to))
        return -EPIPE; /* a reader has said that it is over: the connection is being reset */
    if (copy->resumes) {
        r = resume_step(copy, from, to);
        *ret_written = passage_now(copy->kept->passage)->bytes;
    } else {
        r = copy->to != NULL ? send_step_update(copy, to) : 0;
        if (r == 0)
            r = carry_step(copy, from, to, ret_written);
    }
    if (r == 0 && copy->to != NULL)
        tls_session_end_writing(copy->to);
    if (r == 0) {
        passage_done(copy->kept->passage);
        copy_passage_give(copy, from);
    }
    return r;
}

int copy_passage_end(struct copy_passage *copy, int to) {
    uint8_t record[TLS_SMALL_RECORD];
    struct parcel parcel;

    if (passage_now(copy->kept->passage)->step == PASSAGE_END)
        return 0; /* by the previous process */
    if (!tls_session_begin_writing(copy->to))
        return -EPIPE;
    int r = make_small_parcel(&parcel, record, tls_session_seal_end(copy->to, record));
    if (r < 0)
        return r;
    commit_step(copy, PASSAGE_END, &parcel);
    r = send_step(copy, &parcel, to, 0);
    if (r == 0)
        passage_done(copy->kept->passage);
    return r;
}
