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

/* Sends a fatal alert in plaintext, as before the handshake; as fresh as that. */
void answer_alert(int fd, uint8_t description);

/* The reason phrase of a status that relayd answers by itself. */
const char *answer_reason(int status);

/* What it says then: the page of these, else words: of the end, if that has the status, and words
 * of its own. Points into pages, or to constants. */
struct error_page answer_page(int status, enum end end, const struct error_pages *pages);

/* The head of the answer that has this page. connection: a field with its CRLF, or "". Returns its
 * length. */
#define ANSWER_HEAD_MAX 512
#define ANSWER_CLOSE    "Connection: close\r\n"
size_t answer_head(char ret_head[ANSWER_HEAD_MAX], int status, enum end end,
                   const struct error_page *page, const char *connection);

#endif
