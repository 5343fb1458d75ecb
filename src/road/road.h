/* What the stations of the road share: a connection goes past them from accept4 to the pumps. */
#ifndef ROAD_ROAD_H
#define ROAD_ROAD_H

#include <stdbool.h>
#include <stdint.h>

#include "conn/pipe_pool.h"
#include "conn/pump_pool.h"
#include "conn/registry.h"
#include "handover/link.h"
#include "listen/gate.h"
#include "road/openings.h"
#include "road/queue.h"

struct road {
    struct gate gate;         /* connections, from accept to close */
    struct gate refused;      /* refused clients that still read */
    struct openings openings; /* before the queue, for those who have to be heard first */
    struct queue queue;
    struct registry registry;
    struct pipe_pool pipes;
    struct pump_pool pumps;
    struct link *link;         /* to the keeper; NULL: there is none. Set before anything runs */
    _Atomic uint64_t accepted; /* numbers the connections, unless the table does */
    _Atomic bool stop_accept;  /* acceptors end */
    _Atomic bool stop_now;     /* nothing is dialled any more */
    void (*nudge)(void *arg);  /* sends away every acceptor that waits for room, wherever */
    void *arg;
};

#endif
