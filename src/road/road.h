/* What the stations share, from accept4 to the pumps. */
#ifndef ROAD_ROAD_H
#define ROAD_ROAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/siphash.h"
#include "conn/exchange.h"
#include "conn/leg_pool.h"
#include "conn/pipe_pool.h"
#include "conn/pump_pool.h"
#include "conn/registry.h"
#include "handover/link.h"
#include "listen/gate.h"
#include "road/openings.h"
#include "road/queue.h"

struct road {
    struct gate gate;    /* connections, from accept to close */
    struct gate refused; /* refused clients that still read */
    struct openings openings;
    struct queue queue;
    struct registry registry;
    struct pipe_pool pipes;
    struct pump_pool pumps;
    struct leg_pool legs;
    struct exchange_road exchanges; /* what connections of mode http ask of it */
    struct siphash_key key;
    /* Jobs of exchanges, in the queue or with a worker: so many at least, for a moment less than
     * there are. */
    _Atomic long exchange_dials;
    struct link *link;         /* set before anything runs; NULL: none */
    _Atomic uint64_t accepted; /* numbers the connections, unless the table does */
    _Atomic bool stop_accept;  /* acceptors end */
    _Atomic bool stop_now;     /* dials end */
    void (*nudge)(void *arg);  /* wakes each acceptor that waits for room */
    void *arg;
};

#endif
