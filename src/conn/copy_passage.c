#include "conn/copy_passage_inside.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/kill_point.h"
#include "base/sockopt.h"
#include "conn/busy.h"
#include "conn/copy_tls.h"
#include "conn/source.h"
#include "tls/session.h"

/* Of open_data, besides what copy_passage_read returns. */
#define LOOK_AGAIN 1
#define TORN       2

void copy_passage_init(struct copy_passage *copy, const struct kept_passage *kept,
                       struct tls_session *from, struct tls_session *to,
                       struct tls_buffers *buffers, int source) {
    const struct passage_rest *rest = &kept->rest;
    bool resumes = rest->undone;
    const struct passage_mark *mark = passage_standing(kept->passage, rest);
    size_t taken = from != NULL ? mark->stashed : 0;

    *copy = (struct copy_passage){.kept = kept,
                                  .from = from,
                                  .to = to,
                                  .buffers = buffers,
                                  .tcp = source_is_tcp(source),
                                  .taken = taken,
                                  .seen = taken,
                                  .over = mark->over,
                                  .resumes = resumes,
                                  .timed = -1};
}

bool passage_parks(const struct copy_passage *copy) {
    return atomic_load_explicit(copy->kept->parks, memory_order_relaxed);
}

void passage_give_buffers(struct copy_passage *copy) {
    tls_buffers_put(copy->buffers, copy->in);
    tls_buffers_put(copy->buffers, copy->out);
    copy->in = copy->out = NULL;
}

static bool time_looks(struct copy_passage *copy, int from) {
    if (copy->timed < 0 && sockopt_set_receive_timeout(from, PASSAGE_KEPT_FOR) == 0)
        copy->timed = from;
    return copy->timed >= 0;
}

static void untime_looks(struct copy_passage *copy) {
    int r = copy->timed >= 0 ? sockopt_set_receive_timeout(copy->timed, 0) : 0;

    CHECK(r == 0); /* it is an open socket */
    copy->timed = -1;
}

void copy_passage_release(struct copy_passage *copy) {
    untime_looks(copy);
    passage_give_buffers(copy);
}

/* Looking */

/* A look at the source came to nothing. 0: it is to be tried anew; else what that means. */
static ssize_t end_look(struct copy_passage *copy) {
    if (errno == EINTR)
        return copy->heeds || passage_parks(copy) ? -EINTR : 0;
    if (errno != EAGAIN || copy->timed < 0)
        return -errno;
    copy->streak = 0;
    untime_looks(copy);
    passage_give_buffers(copy);
    return 0;
}

/* How much may be in hand: sealed again in small records it would grow too much; a stream has less
 * room. */
static size_t look_most(const struct copy_passage *copy) {
    if (copy->heeds || (copy->to != NULL && tls_most(&copy->to->out) < TLS_PLAIN_MAX))
        return TLS_WIRE_MAX;
    return copy->limit > 0 && copy->limit < TLS_BUFFER_READ ? copy->limit : TLS_BUFFER_READ;
}

size_t passage_place_size(const struct copy_passage *copy) {
    const struct tls_half *out = &copy->to->out;

    return tls_before(out) + tls_most(out) + tls_after(out);
}

/* What a plain side sends becomes records where it is put. */
static bool seals_places(const struct copy_passage *copy) {
    return copy->from == NULL && copy->to != NULL;
}

/* From a plain side: straight to where the records will be. n bytes at most; how many places. */
static size_t set_step_places(struct copy_passage *copy, size_t n) {
    size_t size = passage_place_size(copy), most = tls_most(&copy->to->out), count = 0;

    while (n > 0 && count < TLS_BUFFER_PIECES && (count + 1) * size <= TLS_BUFFER_SIZE) {
        size_t part = n < most ? n : most;

        copy->in->pieces[count] =
            (struct iovec){.iov_base = copy->in->bytes + count * size + tls_before(&copy->to->out),
                           .iov_len = part};
        n -= part;
        count++;
    }
    return count;
}

/* The end of a record that has not come is waited for in vain as what has is looked at. */
static void note_look(struct copy_passage *copy, size_t n) {
    if (n > copy->seen)
        atomic_store_explicit(&copy->kept->flow->active, clock_coarse(), memory_order_relaxed);
    copy->seen = n;
    KILL_POINT_DIR(PEEKED, copy->kept->dir);
}

/* Waits for n bytes at most, or, with MSG_WAITALL, for n, as long as looks are timed; what is not
 * in the stash stays in the socket. How many, 0 at the end of data, or -errno; a buffer is lent
 * once something is there. */
static ssize_t look(struct copy_passage *copy, int from, size_t n, int flags) {
    ssize_t r = 0;

    for (;;) {
        char first;
        struct iovec one = {&first, 1}, whole;
        struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1};

        if (copy->in != NULL) {
            memcpy(copy->in->bytes, copy->kept->stash, copy->taken);
            whole = (struct iovec){copy->in->bytes + copy->taken, n - copy->taken};
            message.msg_iov = seals_places(copy) ? copy->in->pieces : &whole;
            message.msg_iovlen = seals_places(copy) ? set_step_places(copy, n) : 1;
        }
        r = recvmsg(from, &message, MSG_PEEK | (copy->in != NULL ? flags : 0));
        if (r < 0) {
            r = end_look(copy);
            if (r < 0)
                return r;
            if (copy->timed < 0)
                flags = 0;
            continue;
        }
        if (r == 0 || copy->in != NULL)
            break;
        copy->in = tls_buffers_get(copy->buffers);
        if (copy->in == NULL)
            return -ENOMEM;
    }
    if (r == 0)
        return 0;
    r += (ssize_t)copy->taken;
    note_look(copy, (size_t)r);
    return r;
}

/* A record that is not whole */

/* The socket will take no more before something is taken off it. */
static bool is_socket_full(int from) {
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof(info);

    if (getsockopt(from, SOL_SOCKET, SO_MEMINFO, info, &size) < 0)
        return true;
    return info[SK_MEMINFO_RMEM_ALLOC] >= info[SK_MEMINFO_RCVBUF] / 2;
}

/* A step that sends nothing: n bytes go off the source. stashed: of these, and of those before. */
static void take_off(struct copy_passage *copy, int from, size_t n, size_t stashed) {
    struct passage_mark *draft = passage_draft(copy->kept->passage);

    draft->read += n;
    draft->in = passage_keys_in(copy->from);
    draft->rules = copy->from->rules;
    draft->step = PASSAGE_TAKE;
    draft->stashed = (uint16_t)stashed;
    draft->over = copy->over;
    draft->sum = 0;
    KILL_POINT_DIR(NOTED, copy->kept->dir);
    passage_commit(copy->kept->passage);
    KILL_POINT_DIR(COMMITTED, copy->kept->dir);
    source_discard(from, copy->tcp, n, copy->kept->dir);
    KILL_POINT_DIR(DISCARDED, copy->kept->dir);
    copy->seen = 0;
    copy->taken = stashed;
    passage_done(copy->kept->passage);
}

/* `have` bytes of it are there. */
static void stash_part(struct copy_passage *copy, int from, size_t have) {
    size_t n = have - copy->taken;

    if (n == 0)
        return;
    memcpy(copy->kept->stash + copy->taken, copy->in->bytes + copy->taken, n);
    copy->kept->passage->has_stash = 1;
    take_off(copy, from, n, have);
    copy->seen = have;
    KILL_POINT_DIR(STASHED, copy->kept->dir);
}

/* Waits as look with MSG_WAITALL, but copies nothing (tcp(7), MSG_TRUNC). */
static ssize_t wait_for_bytes(struct copy_passage *copy, int from, size_t need) {
    ssize_t n = copy->tcp ? source_await(from, need - copy->taken) : -1;

    if (n > 0)
        return n + (ssize_t)copy->taken;
    return look(copy, from, need, MSG_WAITALL); /* which knows what it means */
}

/* Until `need` bytes are there, of which `have` are, or something else is to be done first. As
 * look. Who comes to nothing before a second is over has met an end, which shows once nothing is
 * before it. A unix socket does not wait for more than there is. */
static ssize_t await_rest(struct copy_passage *copy, int from, size_t have, size_t need) {
    usec_t begun = clock_now();

    if (!time_looks(copy, from) || !copy->tcp || is_socket_full(from))
        stash_part(copy, from, have);
    ssize_t n = wait_for_bytes(copy, from, need);
    if (n <= 0)
        return n;
    if ((size_t)n > have)
        return look(copy, from, look_most(copy), 0);
    if (passage_parks(copy))
        return -EINTR;
    if (clock_now() - begun < PASSAGE_KEPT_FOR / 2)
        stash_part(copy, from, have);
    return n;
}

/* Opening what a peer has sent that speaks TLS */

/* The first record is no data. What copy_passage_read returns, or LOOK_AGAIN: it was taken. */
static ssize_t heed_message(struct copy_passage *copy, int from, const struct tls_opened *opened,
                            enum tls_meaning meaning, uint8_t alert, bool *ret_over) {
    *ret_over = true;
    switch (meaning) {
    case TLS_MEANS_UPDATE_ASKED:
        atomic_store(&copy->from->owes, true);            /* passage_note_owed relies on */
        atomic_store(&copy->kept->from_side->owes, true); /* the order; before it is taken */
        break;
    case TLS_MEANS_NOTHING:
    case TLS_MEANS_UPDATE:
        break;
    case TLS_MEANS_END: /* unread, it would make a reset of the socket's close */
        copy->over = true;
        take_off(copy, from, opened->size - copy->taken, 0);
        return 0;
    case TLS_MEANS_FATAL:
        copy->alert = alert;
        return COPY_ALERTED;
    case TLS_MEANS_DATA:
    case TLS_MEANS_BAD:
    default:
        /* Its nonce is in no mark: this process is the last one. */
        atomic_store(&copy->kept->flow->in_memory, true);
        tls_session_alert(copy->from, from, alert);
        KILL_POINT_DIR(ALERTED, copy->kept->dir);
        return COPY_BROKEN;
    }
    *ret_over = false;
    take_off(copy, from, opened->size - copy->taken, 0);
    return LOOK_AGAIN;
}

static void note_piece(struct copy_passage *copy, const struct tls_opened *opened) {
    copy->in->pieces[copy->n_pieces++] = (struct iovec){opened->plain, opened->n};
    copy->plain += opened->n;
    copy->wire += opened->size;
}

/* Whether it can go on with those before it, in one step. */
static bool is_data(const struct copy_passage *copy, const struct tls_opened *opened) {
    return opened->content == TLS_DATA && opened->n > 0 && copy->from->rules.head_n == 0;
}

/* The data in the whole records at the front, of n bytes. What comes behind them, if it is no data,
 * is opened anew once it is the first. *ret_over false: there is none; LOOK_AGAIN, or TORN: no
 * record is whole. */
static ssize_t open_data(struct copy_passage *copy, int from, size_t n, bool *ret_over) {
    struct tls_session *session = copy->from;

    *ret_over = true;
    while (copy->n_pieces < TLS_BUFFER_PIECES && copy->wire < n) {
        uint64_t sequence = session->in.keys.sequence;
        bool first = copy->n_pieces == 0;
        uint8_t alert = 0;
        struct tls_opened opened;
        enum tls_outcome outcome =
            tls_open(&session->in, copy->in->bytes + copy->wire, n - copy->wire, &opened);

        if (outcome == TLS_MORE)
            break;
        if (outcome == TLS_OPENED && first && opened.size <= copy->taken) { /* of a strange table */
            opened.alert = TLS_INTERNAL_ERROR;
            outcome = TLS_BAD;
        }
        if (!first && (outcome == TLS_BAD || !is_data(copy, &opened))) {
            session->in.keys.sequence = sequence;
            break;
        }
        if (outcome == TLS_BAD)
            return heed_message(copy, from, &opened, TLS_MEANS_BAD, opened.alert, ret_over);
        enum tls_meaning meaning =
            tls_judge(&session->rules, &session->in, session->is_client, &opened, &alert);
        if (meaning != TLS_MEANS_DATA)
            return heed_message(copy, from, &opened, meaning, alert, ret_over);
        note_piece(copy, &opened);
    }
    *ret_over = copy->n_pieces > 0;
    if (copy->n_pieces > 0)
        KILL_POINT_DIR(OPENED, copy->kept->dir);
    return copy->n_pieces > 0 ? (ssize_t)copy->plain : TORN;
}

/* What a record needs that begins with these bytes. */
static size_t record_needs(const uint8_t *bytes, size_t n) {
    return n < TLS_HEADER ? TLS_HEADER : TLS_HEADER + ((size_t)bytes[3] << 8 | bytes[4]);
}

static ssize_t look_at_records(struct copy_passage *copy, int from) {
    size_t need = 0, have = 0; /* of the first record, if it is not whole */
    bool over = false;
    ssize_t r = 0;

    while (!over) {
        ssize_t n =
            need == 0 ? look(copy, from, look_most(copy), 0) : await_rest(copy, from, have, need);

        copy->torn = need > 0 || copy->taken > 0;
        if (n <= 0)
            return n < 0 ? n : COPY_CUT;
        have = (size_t)n;
        copy->torn = false;
        r = open_data(copy, from, have, &over);
        need = r == TORN ? record_needs(copy->in->bytes, have) : 0;
    }
    return r;
}

static ssize_t hold_places(struct copy_passage *copy, ssize_t n) {
    if (n > 0 && !seals_places(copy))
        copy->in->pieces[0] = (struct iovec){copy->in->bytes, (size_t)n};
    if (n > 0) {
        copy->n_pieces = seals_places(copy) ? set_step_places(copy, (size_t)n) : 1;
        copy->wire = copy->plain = (size_t)n;
    }
    return n;
}

ssize_t copy_passage_read(struct copy_passage *copy, int from) {
    copy->n_pieces = copy->wire = copy->plain = 0;
    if (copy->over)
        return 0;
    return copy->from != NULL ? look_at_records(copy, from)
                              : hold_places(copy, look(copy, from, look_most(copy), 0));
}

/* They are all there. */
bool passage_read_again(struct copy_passage *copy, int from, size_t n) {
    bool over;

    copy->n_pieces = copy->wire = copy->plain = 0;
    if (look(copy, from, n, MSG_WAITALL) != (ssize_t)n)
        return false;
    if (copy->from == NULL)
        return hold_places(copy, (ssize_t)n) > 0;
    return open_data(copy, from, n, &over) > 0 && over && copy->wire == n;
}
