/* An established connection, besides its descriptors: flat, of a fixed size, without a pointer.
 * With a keeper it lies in the table (table.h), for the next relayd.
 *
 * survives: another process may read this after a kill between any two instructions. So what
 * is decided (a reset, an end passed on) is written before it is done; done twice, it is the same.
 * Counts may lag by the call under way; conn/adopt_bytes.c asks the kernel. */
#ifndef RECORD_CONN_STATE_H
#define RECORD_CONN_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sync.h"
#include "record/record.h"

/* Taken from the listener at first, and kept through reloads. */
struct conn_options {
    usec_t idle_timeout; /* 0: never */
    usec_t linger_timeout;
    usec_t keepalive; /* 0: off */
    bool half_close;
    bool http;      /* mode = http */
    bool exchanges; /* and its requests are looked into (conn/exchange.h) */
    enum idle_end idle_end;
    enum copy_mode copy;
    enum log_connections log;
    int64_t min_rate; /* bytes a second a side must take while data waits; 0: none */
};

/* One direction's bytes. The first group is its pump's alone, written without a lock. */
struct flow {
    _Alignas(64) _Atomic usec_t active; /* clock_coarse() of the last byte read or written */
    _Atomic uint64_t bytes;             /* written to the sink */
    _Atomic usec_t spoke;               /* clock_now() of the last bytes read; 0: none */
    _Atomic usec_t first;               /* of the first bytes read; 0: none */
    _Atomic bool writing;               /* bytes read are not all written yet */
    _Atomic bool in_memory;             /* bytes may be in this process alone (copy.c) */
    bool ended GUARDED;                 /* the source's end was passed to the sink */
    int sink_error GUARDED;             /* errno: the sink takes no more, the rest is dropped */
};

#define CONN_CRASHES 3 /* within a minute: given up (adopt.c) */

struct conn_state {
    _Atomic uint32_t live; /* CONN_STATE_LIVE, or the slot is free */
    struct record record;  /* end and error: under the lock; the rest: before the start */
    struct conn_options options;
    struct flow flow[2];          /* by direction */
    bool by_steps;                /* of passage.h: TLS on a side, or exchanges */
    bool aborted GUARDED;         /* resets were sent where they had to be */
    bool lingering GUARDED;       /* a side has ended or fails: linger_timeout counts */
    bool hard GUARDED;            /* also to a side that had its end */
    bool decided GUARDED;         /* record.end says how it ends */
    usec_t expired GUARDED;       /* when the reaper shut it for reading; 0: not yet */
    usec_t told_idle GUARDED;     /* conn_tell; 0: not told */
    usec_t crashes[CONN_CRASHES]; /* of a relayd at work for this one; 0: none */
};

#define CONN_STATE_LIVE 0x636f6e6eu

#endif
