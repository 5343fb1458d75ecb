/* One relayed connection: two sockets, two flows, and its end.
 *
 * The pumps (pump.h) carry bytes and report; the conn decides what that means for both sides
 * (conn_end.c). The reaper (reaper.h) asks whether its time is up. The last unref closes both
 * sockets and logs. */
#ifndef CONN_CONN_H
#define CONN_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/event.h"
#include "base/sync.h"
#include "conn/copy.h"
#include "conn/holdings.h"
#include "conn/passage.h"
#include "conn/pipe_pool.h"
#include "conn/rate.h"
#include "conn/registry.h"
#include "handover/link.h"
#include "listen/gate.h"
#include "record/conn_state.h"

/* What the reaper knows of a side as a sink. */
struct sink_watch {
    bool on;           /* bytes are on their way to it: watched */
    bool said_all;     /* its peer had ended in order when it was reset: see unread */
    uint64_t taken;    /* by its peer then */
    usec_t taken_at;   /* when the reaper saw that change: slow is not dead */
    usec_t unanswered; /* since when; 0: its peer has answered */
    struct rate_watch rate;
};

/* The reaper's alone. */
struct review {
    /* when the last byte came; 0: not all delivered */
    usec_t delivered GUARDED;
    struct sink_watch watch[2]; /* by side */
    struct rate_watch body;     /* of a client that sends the body of a request */
};

/* How long it may be silent now, and what it ends as then: kept up by an exchange of HTTP. Its
 * pumps write, the reaper reads. */
struct conn_wait {
    /* 0: idle_timeout, as without an exchange; USEC_NEVER: for ever, it waits for a server */
    _Atomic usec_t patience;
    _Atomic bool asked;      /* a request has begun, and is not answered yet */
    _Atomic usec_t since;    /* clock_coarse(); 0: since the last byte */
    _Atomic unsigned end;    /* enum end */
    _Atomic bool reads_body; /* the body of a request is to come yet */
    _Atomic usec_t soonest;  /* the shortest patience that may begin at any moment; 0: none */
};

struct exchange; /* conn/exchange.h */

struct conn {
    struct registry_node node GUARDED;
    struct conn_state *state; /* its own, or in the table */
    int fd[2]; /* by side; -1: no server: the client was refused and is to read why */
    struct tls_session *tls[2]; /* by side; NULL: plain */
    struct bearer *bearer;      /* of the client's certificate; NULL: it has shown none */
    /* Given back once its end is sure (conn_take_unneeded), under the registry's lock: */
    struct seat seat;
    struct member *member; /* NULL: refused, or given back */
    struct line *line;
    struct registry *registry;
    struct gate *gate; /* inside until its end */
    struct pipe_pool *pipes;
    struct error_pages *pages; /* refused: a reference, or NULL */
    struct review review;
    usec_t told_at GUARDED; /* clock_now() of conn_begin_to_tell, the last one */
    _Atomic unsigned refs;
    _Atomic bool over;           /* aborted or expired: dropping pumps stop */
    struct hold hold;            /* what the keeper has */
    _Atomic bool parked;         /* a pump stopped for the next relayd */
    size_t in_hand[2];           /* by direction: bytes in its pipe when pumps start */
    struct passages *passages;   /* in the table, if it goes by_steps (conn_state.h); or NULL */
    struct passage_rest rest[2]; /* of these, by direction, when pumps start */
    /* by side: TCP_INFO must confirm its end, see stolen_error */
    _Atomic bool doubtful[2];
    struct exchange *exchange; /* of mode http; NULL: bytes alone. Before the pumps run */
    void (*free_exchange)(struct exchange *exchange);
    struct conn_wait wait;
    struct event event; /* of the exchange; changes, too, when it is over */
};

static inline struct conn *conn_of(const struct registry_node *node) {
    return (struct conn *)((uintptr_t)node - offsetof(struct conn, node));
}

/* Registers it, with one reference. Takes what the job held; the gate was entered. link: for a
 * slot, if one is free; NULL: no keeper. NULL: no memory, nothing taken. */
struct conn *conn_new(const struct record *record, const struct conn_options *options,
                      struct registry *registry, struct gate *gate, struct pipe_pool *pipes,
                      struct link *link, struct holdings *has);

/* The same for one adopted in this slot; its state goes on. Not yet registered. */
struct conn *conn_new_adopted(struct link *link, uint32_t slot, struct registry *registry,
                              struct gate *gate, struct pipe_pool *pipes, struct holdings *has);

/* The same for a refused client: one pump (DIR_UP) answers once the client begins to ask
 * (answer.h), and drops what it sends. record->end is final. pages: the listener's, or NULL. Takes
 * the client alone: its socket and its TLS. */
struct conn *conn_new_refused(const struct record *record, const struct conn_options *options,
                              struct registry *registry, struct gate *gate,
                              struct error_pages *pages, struct holdings *has);

/* For an adopted one: the reaper sees it from now on. */
void conn_register(struct conn *conn);

void conn_ref(struct conn *conn);
/* For one found in the registry, under its lock. False: its last reference is being dropped. */
bool conn_try_ref(struct conn *conn);
/* The last one closes, logs, counts, leaves the gate and frees. No leaf lock held. */
void conn_unref(struct conn *conn);

/* By the keeper of this epoch; 0: nobody. Any thread. */
bool conn_is_held(const struct conn *conn, unsigned epoch);

/* The same, but for one of which something is in this process alone (in_memory in conn_state.h): as
 * long as it has a leg that is not to outlive the process. At a restart that is waited for. */
bool conn_goes_on(const struct conn *conn, unsigned epoch);

/* Where it leads, or did last: in mode http it may change at any moment. */
struct conn_server {
    char upstream[CONFIG_NAME_MAX], server[CONFIG_NAME_MAX];
    struct addr address;
};
void conn_say_server(const struct conn *conn, struct conn_server *ret_server);

/* A reference to the member that it counts at; NULL: none (any more). Any thread with a reference,
 * no leaf lock held. */
struct member *conn_member(struct conn *conn);

/* For the direction's pump. False: none. */
bool conn_kept_pipe(struct conn *conn, enum direction dir, struct kept_pipe *ret_kept);
bool conn_kept_passage(struct conn *conn, enum direction dir, struct kept_passage *ret_kept);

/* What its pump has taken off the source, as conn_source_ended wants it. */
uint64_t conn_passage_read(const struct conn *conn, enum direction dir);

/* To be given back without the lock, before anybody can see its end: the member once the server has
 * ended (not with half_close); the seat, too, once both sides have or it was aborted. */
struct holdings conn_take_unneeded(struct conn *conn) REQUIRES(conn->registry->lock);

/* What a starting pump does. */
enum conn_work {
    CONN_CARRY,
    CONN_DROP, /* no sink, or it has failed */
    /* the end of data was passed on already */
    CONN_NOTHING,
};
enum conn_work conn_work(struct conn *conn, enum direction dir);

/* Whether an interrupted pump must stop and set conn->parked. */
bool conn_parks(const struct conn *conn);

enum side conn_source(enum direction dir);
enum side conn_sink(enum direction dir);

/* What the pump of dir met; the first three finish it. bytes_read: all that came from this source,
 * and was written; or CONN_END_SURE. cut: TLS broke off; error 0: without close_notify. why: a
 * clause for the record, or "". */
#define CONN_END_SURE UINT64_MAX
void conn_source_ended(struct conn *conn, enum direction dir, uint64_t bytes_read);
void conn_source_failed(struct conn *conn, enum direction dir, int error, const char *why);
void conn_source_cut(struct conn *conn, enum direction dir, int error, const char *why);

/* The source ended behind a whole record, without close_notify: as if cut off, but a client in mode
 * http that waits for nothing has left, and that is no failure. Resets the connection. */
void conn_source_left(struct conn *conn, enum direction dir, const char *why);

/* The source has ended, and its sink is not told: the answer to what it has sent is to come. */
void conn_source_paused(struct conn *conn, enum direction dir);

/* Gives up its server, if its client does not need it now: an exchange of HTTP between two
 * requests. False: it does. Any thread with a reference. */
bool conn_gives_server(struct conn *conn);

/* How it ends, unless that is decided. error: an errno, or 0. */
void conn_decide_end(struct conn *conn, enum end end, int error);
/* How it ends, as far as that is decided; or END_NONE. */
enum end conn_end(struct conn *conn);

/* For the pump that has read an end, before it tells a sink that speaks TLS: whether the end is to
 * be passed on in order. */
bool conn_end_is_true(struct conn *conn, enum direction dir, uint64_t bytes_read);

/* Before it tells, the end is decided: the sink may answer at once, by its own. */
void conn_begin_to_tell(struct conn *conn, enum direction dir);

/* Its time is up: what is read as an end is one in order. */
bool conn_is_expired(struct conn *conn);
/* The pump goes on reading, and drops it, until conn->over. */
void conn_sink_failed(struct conn *conn, enum direction dir, int error);

/* Resets each side not given its end of data, and wakes both pumps; once. Any thread with a
 * reference. False: it was aborted already. */
bool conn_abort(struct conn *conn, enum end end, int error);

/* The same, and resets sides given their end, too: the peer is gone. Not if both have ended. */
void conn_abort_hard(struct conn *conn, enum end end, int error);

/* Whether the kernel need not be asked now: *ret_next is when to look again. No system call.
 * registry: the conn's, for the annotation. */
bool conn_glance(struct registry *registry, const struct conn *conn, usec_t now, usec_t *ret_next)
    REQUIRES(registry->lock);

/* Silence allowed in a drain (sweep_drain); USEC_NEVER: for ever. */
usec_t conn_drain_idle(const struct registry *registry, const struct conn *conn)
    REQUIRES(registry->lock);

/* It is to end: in order, once it has been silent for so long; in mode http not while its client
 * waits for an answer, in mode tcp as idle_end says. False: it ends already. Any thread with a
 * reference. */
bool conn_tell(struct conn *conn, usec_t idle);

/* Whether the client waits for an answer: an exchange knows; else as far as that can be told
 * without reading the bytes: the last ones were its own. Any thread. */
bool conn_is_asked(const struct conn *conn);

enum conn_due {
    CONN_LIVE,   /* nothing yet */
    CONN_EXPIRE, /* its time is up, it may end in order: conn_expire */
    CONN_ABORT,  /* its time is up, or a peer is gone: conn_abort, or conn_abort_hard */
};

struct verdict {
    enum conn_due what;
    bool hard;
    enum end end;
    int error;
    /* CONN_LIVE: if nothing happens; or USEC_NEVER */
    usec_t deadline;
};

/* Asks the kernel, decides, files the next review. Without the lock, with a reference, one thread
 * at a time. */
struct verdict conn_review(struct conn *conn, usec_t now);

/* In order: wakes both pumps, which pass on what is left, then the end. */
void conn_expire(struct conn *conn, enum end end);

/* Repeats what a previous process decided and may not have done: an end, conn_abort, conn_expire.
 * Before the pumps run. */
void conn_redo(struct conn *conn);

#endif
