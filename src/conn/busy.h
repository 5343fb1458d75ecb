/* When a direction is busy: messages come quickly, one after the other. Then a buffer of its own is
 * worth its memory: waiting for bytes without one costs a system call for each message. */
#ifndef CONN_BUSY_H
#define CONN_BUSY_H

#include <stdbool.h>

#include "base/clock.h"

#define BUSY_MESSAGES 16
#define BUSY_WITHIN   (100 * USEC_PER_MSEC)

/* A message was written. Whether BUSY_MESSAGES have come in a row, each within BUSY_WITHIN of the
 * last. The pump's, as *streak and *last are. */
static inline bool busy_note(unsigned *streak, usec_t *last) {
    usec_t now = clock_coarse();

    *streak = now - *last <= BUSY_WITHIN ? *streak + 1 : 0;
    *last = now;
    return *streak >= BUSY_MESSAGES;
}

#endif
