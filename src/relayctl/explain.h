/* What an end code of the log means, from record/ends.def, without a daemon. */
#ifndef RELAYCTL_EXPLAIN_H
#define RELAYCTL_EXPLAIN_H

#include <stdbool.h>

struct explanation {
    const char *code;     /* "LC" */
    const char *sentence; /* completes "A connection ..." */
    const char *advice;
    const char *who, *when; /* what its letters stand for */
    bool failed;            /* refused or cut off */
    bool refused;           /* failed before it was relayed */
};

/* In capitals or not. False: there is no such code. */
bool explain_end(const char *code, struct explanation *ret);

#endif
