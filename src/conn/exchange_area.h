/* What an exchange has in hand, in memory that outlives the process (table_lend_area): lent from
 * the first byte of a request until nothing is under way. */
#ifndef CONN_EXCHANGE_AREA_H
#define CONN_EXCHANGE_AREA_H

#include "conn/pump_room.h"
#include "record/request_record.h"

/* Of one step, over the wire: a head with all that relayd adds, and with it as much of the body as
 * was in hand, sealed. Who has more to say makes several (exchange_step.c). */
#define EXCHANGE_STEP_MOST ((size_t)48 * 1024) /* bytes of plaintext */
#define EXCHANGE_OUT_SIZE  (EXCHANGE_STEP_MOST + 4096)

struct exchange_area {
    /* Of the request that is under way. Whoever reads them in the next process looks at them as a
     * stranger's. */
    uint32_t head_size;
    char head[PUMP_BUFFER_SIZE]; /* as it came */
    struct request_record note;
    /* By direction, its pump's: */
    char in[2][PUMP_BUFFER_SIZE + STREAM_SLACK]; /* stored bytes (stream.h) */
    uint8_t out[2][EXCHANGE_OUT_SIZE];           /* what the last step sends */
};

#endif
