/* The body of a request or an answer on its way: which bytes of the stream belong to it, and how
 * they go on. Its reader's alone. */
#ifndef CONN_EXCHANGE_BODY_H
#define CONN_EXCHANGE_BODY_H

#include "conn/exchange_inside.h"

#define EXCHANGE_BODY_PARTS 3

/* The memory of one call of exchange_body_take. */
struct exchange_body_parts {
    struct iovec parts[EXCHANGE_BODY_PARTS];
    char chunk_head[HTTP1_CHUNK_HEAD_MAX];
};

/* most: 0: any. */
void exchange_body_begin(struct passage_body *body, const struct http1_head *head, bool in_chunks,
                         uint64_t most);

/* What is in hand of it, as it goes on: how many parts, and in *ret_used how many bytes of the
 * stream they take. -EPROTO: its framing is wrong, -EFBIG: it is longer than `most`. */
int exchange_body_take(struct passage_body *body, const struct stream *in,
                       struct exchange_body_parts *ret, size_t *ret_used) MUST_USE;

/* Bytes of the body that went on so far. */
uint64_t exchange_body_passed(const struct passage_body *body);

/* From the side's source to its sink, to its end: EXCHANGE_CARRIED. Otherwise as exchange_carry, or
 * EXCHANGE_BODY_BAD with *ret_n as exchange_body_take returned it. */
enum exchange_carried exchange_body_pass(struct exchange_side *side, struct passage_body *body,
                                         ssize_t *ret_n) MUST_USE;

#endif
