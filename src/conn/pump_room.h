/* The memory of a pump. */
#ifndef CONN_PUMP_ROOM_H
#define CONN_PUMP_ROOM_H

#include "conn/copy.h"
#include "conn/stream.h"

/* The head of an answer and 16 KiB fit: what is not touched costs nothing. */
#define PUMP_BUFFER_SIZE 24576

/* What a pump works in; not on its stack, which is to stay one page (idle connections in
 * tests/bench). */
struct pump_room {
    /* PUMP_BUFFER_SIZE and STREAM_SLACK bytes; of bytes alone the first COPY_BUFFER_SIZE */
    char *buffer;
    struct copy copy;
    struct kept_pipe kept;
    struct copy_tls tls;
    struct kept_passage kept_passage;
    struct copy_passage passage;
    struct tls_buffers *buffers; /* the pool's */
};

#endif
