/* What the keeper has of one connection. */
#ifndef HANDOVER_HOLD_H
#define HANDOVER_HOLD_H

#include <stdbool.h>
#include <stdint.h>

struct link;

struct hold {
    struct link *link;     /* NULL: the connection has no slot, and does not outlive this process */
    uint32_t slot;         /* of the link's table */
    _Atomic bool told;     /* the keeper was told of it: it is to be told of its end */
    _Atomic unsigned held; /* the link's epoch in which the keeper got it; 0: never */
    _Atomic unsigned lost; /* the epoch in which the keeper had no descriptors for it */
};

#endif
