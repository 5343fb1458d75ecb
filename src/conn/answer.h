/* What a client is told in HTTP that is not relayed. */
#ifndef CONN_ANSWER_H
#define CONN_ANSWER_H

#include "base/clock.h"
#include "record/ends.h"

/* How long it is waited for a client's first byte before it is answered: clients take an answer
 * that comes before they have asked for a protocol error. */
#define ANSWER_PATIENCE USEC_PER_SEC

/* Sends the answer that fits the end, and the end of data. Nothing was sent there before, so it
 * never blocks. */
void answer_send(int fd, enum end end);

#endif
