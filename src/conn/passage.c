#include "conn/passage.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/foreign.h"
#include "base/hash.h"
#include "conn/wire_count.h"
#include "record/record.h"
#include "tls/session.h"

static uint64_t check_of(const struct passage_mark *mark) {
    return hash_words(mark, offsetof(struct passage_mark, check));
}

struct passage_mark *passage_draft(struct passage *passage) {
    struct passage_mark *draft = &passage->marks[!passage_is_second(passage)];

    *draft = *passage_now(passage);
    return draft;
}

/* A processor finishes in order what it has begun: only the compiler is to be told. */
void passage_commit(struct passage *passage) {
    bool second = !passage_is_second(passage);

    passage->marks[second].check = check_of(&passage->marks[second]);
    passage_go_on(passage);
    atomic_store_explicit(&passage->undone, true, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&passage->at, second ? PASSAGE_SECOND : PASSAGE_FIRST,
                          memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
}

struct tls_keys passage_keys_in(const struct tls_session *session) {
    return session != NULL && session->outlives ? session->in.keys : (struct tls_keys){0};
}

struct tls_keys passage_keys_out(const struct tls_session *session) {
    return session != NULL && session->outlives ? session->out.keys : (struct tls_keys){0};
}

static void mark_sessions(struct passage_mark *mark, int dir, struct tls_session *const tls[2]) {
    const struct tls_session *from = tls[passage_source(dir)], *to = tls[passage_sink(dir)];

    mark->in = passage_keys_in(from);
    mark->rules = from != NULL ? from->rules : (struct tls_rules){0};
    mark->out[passage_sink(dir)] = passage_keys_out(to);
}

/* A socket without counts has 0: passage_ask finds none later, either. */
static void count_side(int fd, const struct tls_session *tls, uint64_t *taken, uint64_t *sent) {
    if (tls == NULL)
        return;
    (void)wire_count_taken(fd, taken);
    (void)wire_count_sent(fd, sent);
}

/* Who reads notes it in the session first, so what is asked for between these two is found, or
 * noted by the reader. */
void passage_note_owed(struct passage_side *side, const struct tls_session *session) {
    atomic_store(&side->owes, false);
    if (atomic_load(&session->owes))
        atomic_store(&side->owes, true);
}

void passages_note_side(struct passages *passages, int side, const struct tls_session *tls) {
    struct passage_side *note = &passages->side[side];

    if (tls == NULL)
        return;
    note->most = tls->out.most;
    note->asked = (uint8_t)tls->asked;
    atomic_store(&note->owes, atomic_load(&tls->owes));
}

void passages_begin(struct passages *passages, const struct record *record, const int fd[2],
                    struct tls_session *const tls[2]) {
    uint64_t taken[2] = {record->header, record->server_header};
    uint64_t sent[2] = {0, record->greeting + 1};

    memset(passages, 0, sizeof(*passages));
    for (int side = 0; side < 2; side++) {
        count_side(fd[side], tls[side], &taken[side], &sent[side]);
        passages_note_side(passages, side, tls[side]);
    }
    for (int dir = 0; dir < 2; dir++) {
        struct passage_mark *mark = &passages->way[dir].marks[0];

        mark->read = taken[passage_source(dir)];
        mark->sent[passage_sink(dir)] = sent[passage_sink(dir)];
        mark_sessions(mark, dir, tls);
        mark->check = check_of(mark);
        atomic_store(&passages->way[dir].at, PASSAGE_FIRST);
    }
}

void passage_leg_note(struct passage_leg *leg, uint64_t cookie, const struct record *record, int fd,
                      const struct tls_session *tls, bool counts) {
    uint64_t read = record->server_header, sent = record->greeting + 1;

    leg->cookie = 0;
    atomic_signal_fence(memory_order_seq_cst);
    if (counts) {
        (void)wire_count_taken(fd, &read);
        (void)wire_count_sent(fd, &sent);
    }
    leg->read = read;
    leg->sent = sent;
    leg->in = passage_keys_in(tls);
    leg->out = passage_keys_out(tls);
    leg->rules = tls != NULL ? tls->rules : (struct tls_rules){0};
    atomic_signal_fence(memory_order_seq_cst);
    leg->cookie = cookie;
}

const struct passage_mark *passage_standing(const struct passage *passage,
                                            const struct passage_rest *rest) {
    bool again = rest->again && passage_is_made_again(passage_now(passage));

    return again ? passage_before(passage) : passage_now(passage);
}

/* Who has sent to the side last knows. */
static const struct tls_keys *last_keys(const struct passage_mark *up,
                                        const struct passage_mark *down, int side) {
    return up->sent[side] > down->sent[side] ? &up->out[side] : &down->out[side];
}

static int make_session(const struct passages *passages, int side, const struct tls_keys *in,
                        const struct tls_rules *rules, const struct tls_keys *out,
                        struct tls_session **ret) {
    *ret = NULL;
    if (in->version == 0)
        return 0;
    struct tls_session *session = tls_session_new(side == SIDE_SERVER, in, out);
    if (session == NULL)
        return -ENOMEM;
    session->in.most = session->out.most = passages->side[side].most;
    session->rules = *rules;
    session->asked = (enum tls_asked)passages->side[side].asked;
    session->outlives = true;
    atomic_store(&session->owes, atomic_load(&passages->side[side].owes));
    *ret = session;
    return 0;
}

int passages_session(const struct passages *passages, int side, const struct passage_rest rest[2],
                     struct tls_session **ret) {
    const struct passage_mark *up = passage_standing(&passages->way[DIR_UP], &rest[DIR_UP]),
                              *down = passage_standing(&passages->way[DIR_DOWN], &rest[DIR_DOWN]);
    const struct passage_mark *reading = side == SIDE_CLIENT ? up : down;

    return make_session(passages, side, &reading->in, &reading->rules, last_keys(up, down, side),
                        ret);
}

int passages_leg_session(const struct passages *passages, const struct passage_rest rest[2],
                         struct tls_session **ret) {
    const struct passage_leg *leg = &passages->leg;
    const struct tls_keys *in = &leg->in, *out = &leg->out;
    const struct tls_rules *rules = &leg->rules;
    uint64_t sent = leg->sent;

    for (int dir = 0; dir < 2; dir++) {
        const struct passage_mark *mark = passage_standing(&passages->way[dir], &rest[dir]);

        if (mark->exchange.leg != leg->cookie)
            continue;
        if (dir == DIR_DOWN) {
            in = &mark->in;
            rules = &mark->rules;
        }
        if (mark->sent[SIDE_SERVER] > sent) {
            out = &mark->out[SIDE_SERVER];
            sent = mark->sent[SIDE_SERVER];
        }
    }
    return make_session(passages, SIDE_SERVER, in, rules, out, ret);
}

void passages_count_sent(const struct passages *passages, uint64_t ret_sent[2]) {
    ret_sent[SIDE_CLIENT] = 0;
    ret_sent[SIDE_SERVER] = passages->leg.sent;
    for (int dir = 0; dir < 2; dir++) {
        const struct passage_mark *mark = passage_now(&passages->way[dir]);

        for (int side = 0; side < 2; side++)
            if (mark->sent[side] > ret_sent[side] &&
                (side == SIDE_CLIENT || mark->exchange.leg == passages->leg.cookie))
                ret_sent[side] = mark->sent[side];
    }
}

bool passage_leg_is(const struct passages *passages, int fd) {
    uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);

    return passages->leg.cookie != 0 &&
           getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 &&
           cookie == passages->leg.cookie;
}

static bool are_keys(const struct tls_keys *keys) {
    return keys->version == 0 ||
           ((keys->version == TLS_1_2 || keys->version == TLS_1_3) &&
            keys->cipher < TLS_CIPHER_COUNT && keys->secret_size <= sizeof(keys->secret));
}

static bool is_exchange_mark(const struct passage_exchange *exchange) {
    const struct passage_body *body = &exchange->body;

    return body->framing <= HTTP1_UNTIL_END && exchange->phase < PASSAGE_PHASES &&
           exchange->end < END_COUNT && foreign_is_bool(&body->in_chunks) &&
           foreign_is_bool(&body->over) && foreign_is_bool(&exchange->close) &&
           foreign_is_bool(&exchange->leaves) && foreign_is_bool(&exchange->early) &&
           foreign_is_bool(&exchange->drains);
}

/* Of one connection. */
static bool are_alike(const struct tls_keys *a, const struct tls_keys *b) {
    return a->version == b->version && a->cipher == b->cipher;
}

static bool is_mark(const struct passage_mark *mark) {
    return mark->check == check_of(mark) && are_keys(&mark->in) && are_keys(&mark->out[0]) &&
           are_keys(&mark->out[1]) && mark->rules.head_n <= sizeof(mark->rules.head) &&
           mark->stashed < TLS_WIRE_MAX && mark->step < PASSAGE_STEPS &&
           foreign_is_bool(&mark->over) && mark->sink < 2 && is_exchange_mark(&mark->exchange);
}

/* The marks of one step. */
static bool is_like(const struct passage_mark *before, const struct passage_mark *now) {
    return is_mark(before) && are_alike(&before->in, &now->in) &&
           are_alike(&before->out[0], &now->out[0]) && are_alike(&before->out[1], &now->out[1]);
}

static bool is_way(const struct passage *passage) {
    uint8_t at = atomic_load(&passage->at);

    return (at == PASSAGE_FIRST || at == PASSAGE_SECOND) && foreign_is_bool(&passage->undone) &&
           is_mark(passage_now(passage)) &&
           (!atomic_load(&passage->undone) || !passage_is_made_again(passage_now(passage)) ||
            is_like(passage_before(passage), passage_now(passage)));
}

/* Of a plain side 0. */
static bool is_most(uint16_t most) {
    return most == 0 || (most >= TLS_PLAIN_MIN && most <= TLS_PLAIN_MAX);
}

bool passages_are_sound(const struct passages *passages) {
    if (!foreign_is_bool(&passages->has_shown))
        return false;
    for (int which = 0; which < 2; which++)
        if (!is_most(passages->side[which].most) || passages->side[which].asked > TLS_ASKED_SHOWN ||
            !foreign_is_bool(&passages->side[which].owes) || !is_way(&passages->way[which]))
            return false;
    return are_keys(&passages->leg.in) && are_keys(&passages->leg.out);
}
