/* How connections end: the rows of record/ends.def. */
#ifndef RECORD_ENDS_H
#define RECORD_ENDS_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/stats.h"

enum end {
    END_NONE = 0, /* none, or none yet */
#define END(name, code, failed, phase, answer, status, counter, brief, sentence, advice) END_##name,
#include "record/ends.def"
    END_COUNT
};

/* How far the connection had come. */
enum end_phase {
    END_PHASE_ADMIT, /* nothing was done for it */
    END_PHASE_GREET, /* its PROXY header or ClientHello was awaited, or its handshake made */
    END_PHASE_QUEUE,
    END_PHASE_DIAL,
    END_PHASE_START, /* both sockets are there, no pumps yet */
    END_PHASE_RELAY, /* or whatever the stop met */
};

/* Whether a client that speaks HTTP is answered. */
enum end_answer {
    /* it was relayed; or it had still to say who it is: nobody knows who reads it */
    END_ANSWER_NEVER,
    END_ANSWER_AT_ONCE,
    /* once it begins to ask (conn/answer.h), if there is a pump to wait */
    END_ANSWER_ONCE_ASKED,
};

struct end_info {
    const char *code; /* two letters, RELAYD_END */
    bool failed;      /* refused or cut off */
    enum end_phase phase;
    enum end_answer answer;
    int status; /* of the answer; 0: END_ANSWER_NEVER */
    enum counter counter;
    const char *brief;    /* "rate" */
    const char *sentence; /* completes "Connection 17 ..." */
};

extern const struct end_info end_infos[END_COUNT];

/* Counts such an end. Any thread, any lock. */
void end_count(enum end end);

/* How many ended so. Any thread. */
uint64_t end_total(enum end end);

/* How many ended so in the last END_PERIOD, about; counted for those that failed. Any thread. */
#define END_PERIOD (5 * 60 * USEC_PER_SEC)
unsigned end_count_recent(enum end end);

#endif
