/* Marks of a connection whose bytes are changed on their way (record/passage.h): how they are
 * written and, by the next process, read. */
#ifndef CONN_PASSAGE_H
#define CONN_PASSAGE_H

#include <stdatomic.h>

#include "record/passage.h"
#include "record/record.h"

struct tls_session; /* tls/session.h */

static inline bool passage_is_second(const struct passage *passage) {
    return atomic_load_explicit(&passage->at, memory_order_relaxed) == PASSAGE_SECOND;
}

static inline const struct passage_mark *passage_now(const struct passage *passage) {
    return &passage->marks[passage_is_second(passage)];
}

static inline const struct passage_mark *passage_before(const struct passage *passage) {
    return &passage->marks[!passage_is_second(passage)];
}

/* By direction. */
static inline enum side passage_source(int dir) {
    return dir == DIR_UP ? SIDE_CLIENT : SIDE_SERVER;
}

static inline enum side passage_sink(int dir) {
    return dir == DIR_UP ? SIDE_SERVER : SIDE_CLIENT;
}

/* The next mark, not yet one that counts: like the last. The pump's, as passage_commit. */
struct passage_mark *passage_draft(struct passage *passage);

/* It counts from now on: the step is to be done. */
void passage_commit(struct passage *passage);

/* The step is done. */
static inline void passage_done(struct passage *passage) {
    atomic_store_explicit(&passage->undone, false, memory_order_release);
}

/* The pump leaves the step to the next process, with `done` bytes of it sent and none taken. */
static inline void passage_halt(struct passage *passage, size_t done) {
    atomic_store_explicit(&passage->halted, (uint32_t)done + 1, memory_order_release);
}

/* It goes on with it: what was noted so is no longer so. */
static inline void passage_go_on(struct passage *passage) {
    atomic_store(&passage->halted, 0);
}

/* The marks of a connection whose sockets nobody reads or writes yet. record: what came and went
 * over them before. */
void passages_begin(struct passages *passages, const struct record *record, const int fd[2],
                    struct tls_session *const tls[2]);

/* The keys of a session as a mark has them: none of one that is plain (NULL) or is not to outlive
 * this process. */
struct tls_keys passage_keys_in(const struct tls_session *session);
struct tls_keys passage_keys_out(const struct tls_session *session);

/* After a step that may have had a KeyUpdate in it: whether one is still owed. The peer may ask for
 * another one at any moment. */
void passage_note_owed(struct passage_side *side, const struct tls_session *session);

/* What a session has besides its keys; NULL: nothing. */
void passages_note_side(struct passages *passages, int side, const struct tls_session *tls);

/* A leg that has come. counts: the kernel is asked how much has gone over it. Who dials. */
void passage_leg_note(struct passage_leg *leg, uint64_t cookie, const struct record *record, int fd,
                      const struct tls_session *tls, bool counts);

/* What of the last step is still to be done. */
struct passage_rest {
    bool undone;   /* anything */
    bool again;    /* its bytes are to be made anew, and the rest of them to be sent */
    bool dead;     /* the sink takes nothing more; */
    bool unsure;   /* and how much is left cannot be told */
    uint64_t done; /* bytes that were sent */
    uint64_t left; /* to be taken off the source; */
    bool spliced;  /* or, of PASSAGE_SPLICE, they are in the pipe */
};

/* Asks the kernel. False: its counts do not fit to the marks, or of a unix socket, which has none,
 * nothing else tells; that the sink was reset meanwhile is for the pump to find. whole: it is known
 * to be done. fd: by side. Before any pump runs. */
bool passage_ask(const struct passage *passage, int dir, bool whole, const int fd[2],
                 struct passage_rest *ret) MUST_USE;

/* Whether the step was made of the mark before it, and is made of it again. */
static inline bool passage_is_made_again(const struct passage_mark *now) {
    return now->step != PASSAGE_START && now->step != PASSAGE_MESSAGE &&
           now->step != PASSAGE_SPLICE;
}

/* The mark that a direction stands at: where its step begins that is to be made again, or behind
 * its last one. */
const struct passage_mark *passage_standing(const struct passage *passage,
                                            const struct passage_rest *rest);

/* The session of a side, as the marks have it. rest: by direction. 0, with NULL for a plain side,
 * or -errno. */
int passages_session(const struct passages *passages, int side, const struct passage_rest rest[2],
                     struct tls_session **ret);

/* The same of the leg of an exchange, which goes on. */
int passages_leg_session(const struct passages *passages, const struct passage_rest rest[2],
                         struct tls_session **ret);

/* Of an exchange: what was sent to each side, the leg, and what of it is still to be sent. */
void passages_count_sent(const struct passages *passages, uint64_t ret_sent[2]);

/* Whether this socket is the leg. */
bool passage_leg_is(const struct passages *passages, int fd);

/* Whether what stands there can be true. */
bool passages_are_sound(const struct passages *passages);

#endif
