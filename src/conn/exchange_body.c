#include "conn/exchange_body.h"

#include <errno.h>
#include <string.h>

#include "base/kill_point.h"

void exchange_body_begin(struct passage_body *body, const struct http1_head *head, bool in_chunks,
                         uint64_t most) {
    *body = (struct passage_body){.framing = head->framing,
                                  .in_chunks = in_chunks,
                                  .length = head->content_length,
                                  .left = head->content_length,
                                  .most = most};
    body->over = head->framing == HTTP1_NO_BODY ||
                 (head->framing == HTTP1_LENGTH && head->content_length == 0);
}

/* *ret_skip: bytes of framing, which n bytes of the body follow. */
static int find_data(struct passage_body *body, const struct stream *in, size_t *ret_skip,
                     size_t *ret_n) {
    size_t have = stream_in_hand(in);
    enum http1_chunk_outcome outcome;

    *ret_skip = 0;
    *ret_n = have;
    switch (body->framing) {
    case HTTP1_LENGTH:
        *ret_n = have < body->left ? have : (size_t)body->left;
        body->left -= *ret_n;
        body->over = body->left == 0;
        return 0;
    case HTTP1_CHUNKED:
        outcome = http1_chunks_take(&body->chunks, stream_first(in), have, ret_skip, ret_n);
        if (outcome == HTTP1_CHUNK_BAD)
            return -EPROTO;
        if (outcome == HTTP1_CHUNK_DATA)
            http1_chunks_took(&body->chunks, *ret_n);
        body->over = outcome == HTTP1_CHUNK_END;
        return 0;
    case HTTP1_UNTIL_END:
    case HTTP1_NO_BODY:
    default:
        return 0;
    }
}

int exchange_body_take(struct passage_body *body, const struct stream *in,
                       struct exchange_body_parts *ret, size_t *ret_used) {
    size_t skip, data;
    int n = 0;

    *ret_used = 0;
    if (body->over || stream_in_hand(in) == 0)
        return 0;
    int r = find_data(body, in, &skip, &data);
    if (r < 0)
        return r;
    if (data > 0 && body->in_chunks)
        ret->parts[n++] = (struct iovec){ret->chunk_head, http1_chunk_head(ret->chunk_head, data)};
    if (data > 0)
        ret->parts[n++] = (struct iovec){(void *)(uintptr_t)(stream_first(in) + skip), data};
    if (data > 0 && body->in_chunks)
        ret->parts[n++] = (struct iovec){(void *)(uintptr_t) "\r\n", 2};
    if (body->over && body->in_chunks)
        ret->parts[n++] =
            (struct iovec){(void *)(uintptr_t)HTTP1_LAST_CHUNK, strlen(HTTP1_LAST_CHUNK)};
    *ret_used = skip + data;
    body->passed += data;
    return body->most > 0 && body->passed > body->most ? -EFBIG : n;
}

uint64_t exchange_body_passed(const struct passage_body *body) {
    return body->framing == HTTP1_LENGTH ? body->length - body->left : body->passed;
}

/* What is in hand. */
static enum exchange_carried pass_in_hand(struct exchange_side *side, struct passage_body *body,
                                          size_t *ret_used, ssize_t *ret_n) {
    struct exchange_body_parts parts;
    int n = exchange_body_take(body, &side->in, &parts, ret_used);

    if (n < 0) {
        *ret_n = n;
        return EXCHANGE_BODY_BAD;
    }
    if (body->over && side->dir == DIR_UP)
        exchange_note_read(side->exchange);
    stream_take(&side->in, *ret_used);
    int r = n > 0 ? exchange_send(side, conn_sink(side->dir), parts.parts, (size_t)n) : 0;
    if (r < 0) {
        *ret_n = r;
        return EXCHANGE_SINK_OVER;
    }
    return EXCHANGE_CARRIED;
}

/* Nothing is in hand. */
static enum exchange_carried pass_more(struct exchange_side *side, struct passage_body *body,
                                       ssize_t *ret_n) {
    if (body->framing == HTTP1_LENGTH) {
        enum exchange_carried how = exchange_carry(side, &body->left, ret_n);

        body->over = body->left == 0;
        if (how != EXCHANGE_CARRIED || body->over)
            return how;
    }
    stream_compact(&side->in);
    *ret_n = exchange_fill(side);
    return *ret_n <= 0 ? EXCHANGE_SOURCE_OVER : EXCHANGE_CARRIED;
}

enum exchange_carried exchange_body_pass(struct exchange_side *side, struct passage_body *body,
                                         ssize_t *ret_n) {
    enum exchange_carried how = EXCHANGE_CARRIED;

    while (how == EXCHANGE_CARRIED && !body->over) {
        size_t used;

        how = pass_in_hand(side, body, &used, ret_n);
        if (how == EXCHANGE_CARRIED && used == 0 && !body->over)
            how = pass_more(side, body, ret_n);
        if (how == EXCHANGE_CARRIED && !body->over)
            KILL_POINT_DIR(BODY_STEP, side->dir);
    }
    KILL_POINT_DIR(LAST_STEP, side->dir);
    return how;
}
