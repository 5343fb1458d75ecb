/* One relayed connection: two sockets, two flows, and how it all ends.
 *
 * The pumps (see pump.h) carry bytes and tell the conn what they met; the conn decides what that
 * means for the two sides (the rules are told at the top of conn_end.c). The reaper (see reaper.h)
 * asks it whether its time is up. Whoever drops the last reference closes both sockets and writes
 * the log record. */
#ifndef CONN_CONN_H
#define CONN_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/sync.h"
#include "conn/copy.h"
#include "conn/holdings.h"
#include "conn/pipe_pool.h"
#include "conn/registry.h"
#include "handover/link.h"
#include "listen/gate.h"
#include "record/conn_state.h"

/* What the reaper knows of a side as a sink. */
struct sink_watch {
    bool on;           /* bytes were found on their way to it, and it is looked at: */
    uint64_t taken;    /* what its peer had taken then */
    usec_t taken_at;   /* when the reaper saw that change: a slow reader is not a dead one */
    usec_t unanswered; /* since when its peer answers nothing; 0: it does */
    /* For min_rate: */
    usec_t pressed;         /* since when data has waited for it at each look; 0: it has not */
    usec_t pressed_seen;    /* when that was last seen */
    uint64_t pressed_taken; /* `taken` at its beginning */
};

/* What the reaper notes of a conn. Its alone. */
struct review {
    /* all was delivered, and the last byte was of this moment; 0: it was not */
    usec_t settled GUARDED;
    struct sink_watch watch[2]; /* by side */
};

struct conn {
    struct registry_node node GUARDED;
    struct conn_state *state; /* its own, or in the table */
    int fd[2]; /* by side; -1: no server, the client was refused and is given time to read why */
    /* What it has taken of limits, given back as soon as its end is sure (conn_take_unneeded),
     * under the registry's lock: */
    struct seat seat;
    struct member *member; /* NULL: refused, or given back */
    struct line *line;
    struct registry *registry;
    struct gate *gate; /* in which it is; left at the end */
    struct pipe_pool *pipes;
    struct review review;
    _Atomic unsigned refs;
    _Atomic bool over;   /* aborted or expired: a pump that drops stops */
    struct hold hold;    /* what the keeper has of it */
    _Atomic bool parked; /* a pump has come to a halt for the next relayd */
    size_t in_hand[2];   /* by direction: what is in its pipe when the pumps start */
    /* by side: its end is believed if TCP_INFO says so, see stolen_error */
    _Atomic bool doubtful[2];
};

/* What a registry lists is conns. */
static inline struct conn *conn_of(const struct registry_node *node) {
    return (struct conn *)((uintptr_t)node - offsetof(struct conn, node));
}

/* Makes a conn with one reference, and registers it. Takes over what the job held, and leaves the
 * gate, which was entered, at its end. link: gives it a slot, if there is one; NULL: there is no
 * keeper. NULL: no memory, nothing was taken. */
struct conn *conn_new(const struct record *record, const struct conn_options *options,
                      struct registry *registry, struct gate *gate, struct pipe_pool *pipes,
                      struct link *link, struct holdings *has);

/* The same for one that a relayd before has left in this slot, which was adopted; its state goes
 * on. It is not registered yet. */
struct conn *conn_new_adopted(struct link *link, uint32_t slot, struct registry *registry,
                              struct gate *gate, struct pipe_pool *pipes, struct holdings *has);

/* The same for a client that was refused: its one pump (DIR_UP) answers it, once it has begun to
 * ask (answer.h), and drops what it sends. record->end is final. */
struct conn *conn_new_refused(const struct record *record, const struct conn_options *options,
                              struct registry *registry, struct gate *gate, int *client);

/* Registers an adopted one: the reaper sees it from now on. */
void conn_register(struct conn *conn);

void conn_ref(struct conn *conn);
/* The same for one that was found in the registry, whose lock is held: false if its last reference
 * is just being dropped. */
bool conn_try_ref(struct conn *conn);
/* The last one closes, logs, counts, leaves the gate and frees. No leaf lock held. */
void conn_unref(struct conn *conn);

/* Whether the keeper of this epoch has it; 0: nobody does. Any thread. */
bool conn_is_held(const struct conn *conn, unsigned epoch);

/* The pipe of a direction that is kept, as its pump finds it. False: it has none. */
bool conn_kept_pipe(struct conn *conn, enum direction dir, struct kept_pipe *ret_kept);

/* Takes what it needs no more, to be given back without the lock, before whoever waits for its end
 * can know of that: the member when the server has ended; the seat, too, when it was aborted or
 * both sides have ended. */
struct holdings conn_take_unneeded(struct conn *conn) REQUIRES(conn->registry->lock);

/* What is to be done for a direction when its pump starts. */
enum conn_work {
    CONN_CARRY,
    CONN_DROP, /* what the source sends: there is no sink, or it failed under the relayd before */
    /* the relayd before has passed the source's end of data on: nothing more is to be read */
    CONN_NOTHING,
};
enum conn_work conn_work(struct conn *conn, enum direction dir);

/* Whether a pump that was interrupted is to come to a halt, and to set conn->parked. */
bool conn_parks(const struct conn *conn);

/* Where a direction reads from and writes to. */
enum side conn_source(enum direction dir);
enum side conn_sink(enum direction dir);

/* What a pump met. The pump of dir calls it, and with the first two its work is done. bytes_read:
 * from this source, in all, all of them written to the sink. */
void conn_source_ended(struct conn *conn, enum direction dir, uint64_t bytes_read);
void conn_source_failed(struct conn *conn, enum direction dir, int error);
/* The sink failed: the pump goes on reading and drops it, until conn->over. */
void conn_sink_failed(struct conn *conn, enum direction dir, int error);

/* Resets both sides, as far as they have not been given the end of their data, and wakes both
 * pumps; once. Any thread with a reference. */
void conn_abort(struct conn *conn, enum end end, int error);

/* The same, and resets a side that was given its end as well: whom it waits for is gone. Not if
 * both sides have ended. */
void conn_abort_hard(struct conn *conn, enum end end, int error);

/* Whether nothing needs to be asked of the kernel about a conn at this moment: then *ret_next is
 * when to look at it again. Costs no system call. Under the lock of its registry, which is named
 * for that. */
bool conn_glance(struct registry *registry, const struct conn *conn, usec_t now, usec_t *ret_next)
    REQUIRES(registry->lock);

/* How long it may be silent in a drain (sweep_drain); USEC_NEVER: it is not ended for that. */
usec_t conn_drain_idle(const struct registry *registry, const struct conn *conn)
    REQUIRES(registry->lock);

/* What is to be done with a conn. */
enum conn_due {
    CONN_LIVE,   /* nothing yet */
    CONN_EXPIRE, /* its time is up and it may end in order: conn_expire */
    CONN_ABORT,  /* its time is up, or a peer is gone: conn_abort, or conn_abort_hard */
};

struct verdict {
    enum conn_due what;
    bool hard;
    enum end end;
    int error;
    /* CONN_LIVE: when its time is up unless something happens; USEC_NEVER: then it is not */
    usec_t deadline;
};

/* Asks the kernel, decides, and files the next review. Not under the lock; with a reference; one at
 * a time. */
struct verdict conn_review(struct conn *conn, usec_t now);

/* Ends it in good order: both pumps are woken, pass on what is still there, and then the end. */
void conn_expire(struct conn *conn, enum end end);

/* Does once more what a process before had decided, and may not have done: an end that is passed
 * on, conn_abort, conn_expire. Before the pumps run. */
void conn_redo(struct conn *conn);

#endif
