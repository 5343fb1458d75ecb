/* What relayd itself tells a client in HTTP. */
#ifndef CONN_ANSWER_H
#define CONN_ANSWER_H

#include "base/clock.h"
#include "config/error_pages.h"
#include "record/ends.h"

/* How long to wait for a client's first byte before answering: clients take an answer that precedes
 * their question for a protocol error. */
#define ANSWER_PATIENCE USEC_PER_SEC

/* Sends the answer for this end, with its page if there is one, and the end of data. The socket is
 * fresh, so it never blocks. pages: NULL is fine. */
void answer_send(int fd, enum end end, const struct error_pages *pages);

#endif
