/* What an exchange notes of the request in exchange->request, for the log. Each costs next to
 * nothing where nobody wants it. */
#ifndef CONN_EXCHANGE_NOTE_H
#define CONN_EXCHANGE_NOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "record/request_record.h"

struct exchange;
struct exchange_request;

/* Its first byte is there. */
void exchange_note_begin(struct exchange_request *request);

/* Up's: its head is whole, in these bytes: it gets its name (X-Request-ID). */
void exchange_note_head(struct exchange *exchange, const char *bytes);

/* Up's: its head is bad, and why: what was understood of it (http1_parse_request). */
void exchange_note_bad(struct exchange *exchange, const char *bytes, const char *why);

/* Who refuses or answers it: why, a clause. */
#define WHY_BAD_CHUNKS "the chunks of its body are malformed"
#define WHY_NO_ROOM    "its head has no room for what relayd adds"
void exchange_note_why(struct exchange *exchange, const char *why);
void exchange_note_route(struct exchange *exchange);

/* Who has dialled: where it is sent, or would have been. */
void exchange_note_leg(struct exchange *exchange);
/* And failed with this end: why. */
void exchange_note_no_leg(struct exchange *exchange, enum end end);

/* Down's. */
void exchange_note_first_byte(struct exchange *exchange);

/* Whose word it is: a client gets this status. Without a request it is nobody's. */
void exchange_note_answer(struct exchange *exchange, int status, bool own);

/* So many bytes are the body of relayd's own answer. */
void exchange_note_page(struct exchange *exchange, size_t n);

/* The pump's of this direction: bytes of the body that went on. */
void exchange_note_body(struct exchange *exchange, enum direction dir, uint64_t n);

/* The first that failed it counts. Without a request it is nobody's. */
void exchange_note_failure(struct exchange *exchange, enum end end);

/* The answer was sent to its end. */
void exchange_note_whole(struct exchange *exchange);

/* Nobody works for it any more: logs it, once. No leaf lock held. */
void exchange_note_log(struct exchange *exchange);

#endif
