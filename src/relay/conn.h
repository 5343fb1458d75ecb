/* One relayed connection: two sockets, two flows, and how it all ends.
 *
 * The pumps (see pump.h) carry bytes and tell the conn what they met; the conn decides what that
 * means for the two sides (the rules are told at the top of conn.c). The reaper (see reaper.h) asks
 * it whether its time is up. Whoever drops the last reference closes both sockets and writes the
 * log record. */
#ifndef RELAY_CONN_H
#define RELAY_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/sync.h"
#include "relay/gate.h"
#include "relay/job.h"
#include "relay/pipe_pool.h"
#include "relay/record.h"
#include "relay/registry.h"

/* What a conn takes from its listener when it begins, and keeps whatever becomes of the
 * configuration. */
struct conn_options {
    usec_t idle_timeout; /* 0: never */
    usec_t linger_timeout;
    bool half_close;
    enum copy_mode copy;
    enum log_connections log;
};

/* Bytes of one direction on their way. The first group is written by its pump alone, without a
 * lock. */
struct flow {
    _Alignas(64) _Atomic usec_t active; /* clock_coarse() of the last byte read or written */
    _Atomic uint64_t bytes;             /* written to the sink */
    _Atomic bool holding;               /* bytes were read and are not yet all written */
    bool ended GUARDED;                 /* the source's end of data was passed on to the sink */
    int sink_error GUARDED;             /* errno: the sink takes no more; what comes is dropped */
    bool watched GUARDED;               /* the reaper found it in a write, and looks at the sink: */
    uint64_t taken GUARDED;             /* what the sink's peer had taken then */
    usec_t taken_at GUARDED; /* when the reaper saw that change: a slow reader is not a dead one */
};

struct conn {
    TAILQ_ENTRY(conn) link;
    /* end and error: under the lock; the server side and times: before the start. */
    struct record record;
    struct conn_options options;
    int fd[2]; /* by side; -1: no server, the client was refused and is given time to read why */
    struct place place;    /* given back at the end, */
    struct member *member; /* both; NULL: refused */
    struct registry *registry;
    struct gate *gate; /* left at the end; NULL: never entered */
    struct pipe_pool *pipes;
    struct flow flow[2]; /* by direction */
    _Atomic unsigned refs;
    _Atomic bool over;      /* aborted or expired: a pump that drops stops */
    bool aborted GUARDED;   /* reset was sent where it had to be */
    bool lingering GUARDED; /* one side has ended or fails: linger_timeout counts now */
    bool decided GUARDED;   /* record.end says how it ends */
    usec_t expired GUARDED; /* when the reaper closed it for reading; 0: not */
};

/* Makes a conn with one reference, and registers it. Takes over what the job held, and the place in
 * the gate (NULL: none). NULL: no memory, nothing was taken. */
struct conn *conn_new(const struct record *record, const struct conn_options *options,
                      struct registry *registry, struct gate *gate, struct pipe_pool *pipes,
                      struct holdings *has);

/* The same for a client that was refused: its answer and the end of data have been sent already.
 * Its one pump (DIR_UP) drops what it still sends. record->end is final. */
struct conn *conn_new_refused(const struct record *record, const struct conn_options *options,
                              struct registry *registry, struct gate *gate, int *client);

void conn_ref(struct conn *conn);
/* The same for one that was found in the registry, whose lock is held: false if its last reference
 * is just being dropped. */
bool conn_try_ref(struct conn *conn);
/* The last one closes, logs, counts, leaves the gate and frees. No leaf lock held. */
void conn_unref(struct conn *conn);

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

/* What is to be done with a conn at this moment (of clock_coarse()). */
enum conn_due {
    CONN_LIVE,   /* nothing, until *ret_deadline */
    CONN_EXPIRE, /* its time is up and nothing is on its way: conn_expire */
    CONN_ABORT,  /* its time is up and bytes cannot be delivered: conn_abort with *ret_end */
};
enum conn_due conn_review(struct registry *registry, struct conn *conn, usec_t now,
                          usec_t *ret_deadline, enum end *ret_end) REQUIRES(registry->lock);

/* Ends it in good order: both pumps are woken, pass on what is still there, and then the end. */
void conn_expire(struct conn *conn, enum end end);

#endif
