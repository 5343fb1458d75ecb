/* What relayd itself tells a client, in HTTP or in TLS. */
#ifndef CONN_ANSWER_H
#define CONN_ANSWER_H

#include <stdbool.h>

#include "base/clock.h"
#include "config/error_pages.h"
#include "record/ends.h"

struct tls_session; /* tls/session.h */

/* How long to wait for a client's first byte before answering: clients take an answer that precedes
 * their question for a protocol error. */
#define ANSWER_PATIENCE USEC_PER_SEC

/* The client speaks TLS, and is answered by an alert. */
bool answer_is_alert(enum end end);

/* Sends the answer for this end, with its page if there is one, and the end of data. The socket is
 * fresh, so it never blocks. tls: the client's, or NULL. pages: NULL is fine. */
void answer_send(int fd, struct tls_session *tls, enum end end, const struct error_pages *pages);

#endif
