/* What there is to know of an established connection besides its descriptors: flat, of a fixed
 * size, with no pointer in it. With a keeper it lies in the table (table.h), where the next relayd
 * finds it.
 *
 * survives: whatever stands here may be read by another process after this one was killed between
 * any two instructions. So what is decided is written before it is done (a reset, an end that is
 * passed on): done twice, it is the same. Counts may lag behind by the call that was under way;
 * conn/adopt_count.c asks the kernel. */
#ifndef RECORD_CONN_STATE_H
#define RECORD_CONN_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sync.h"
#include "record/record.h"

/* What a conn takes from its listener when it begins, and keeps whatever becomes of the
 * configuration. */
struct conn_options {
    usec_t idle_timeout; /* 0: never */
    usec_t linger_timeout;
    usec_t keepalive; /* 0: off */
    bool half_close;
    bool http; /* mode = http */
    enum idle_end idle_end;
    enum copy_mode copy;
    enum log_connections log;
    int64_t min_rate; /* bytes a second that a side must take while it has data waiting; 0: none */
};

/* Bytes of one direction on their way. The first group is written by its pump alone, without a
 * lock. */
struct flow {
    _Alignas(64) _Atomic usec_t active; /* clock_coarse() of the last byte read or written */
    _Atomic uint64_t bytes;             /* written to the sink */
    _Atomic usec_t spoke;               /* clock_now() when bytes were last read; 0: none were */
    _Atomic bool writing;               /* bytes were read and are not yet all written */
    _Atomic bool in_memory;             /* bytes may be in this process and nowhere else (copy.c) */
    bool ended GUARDED;                 /* the source's end of data was passed on to the sink */
    int sink_error GUARDED;             /* errno: the sink takes no more; what comes is dropped */
};

#define CONN_CRASHES 3 /* so many in a short time, and it is given up (adopt.c) */

struct conn_state {
    _Atomic uint32_t live; /* CONN_STATE_LIVE, or the slot is free */
    struct record record;  /* end and error: under the lock; the rest: before the start */
    struct conn_options options;
    struct flow flow[2];    /* by direction */
    bool aborted GUARDED;   /* reset was sent where it had to be */
    bool lingering GUARDED; /* one side has ended or fails: linger_timeout counts now */
    bool hard GUARDED;      /* and where a side had been given its end, too */
    bool decided GUARDED;   /* record.end says how it ends */
    usec_t expired GUARDED; /* when the reaper closed it for reading; 0: not */
    usec_t
        crashes[CONN_CRASHES]; /* when a relayd last crashed while it worked for this one; 0: not */
};

#define CONN_STATE_LIVE 0x636f6e6eu

#endif
