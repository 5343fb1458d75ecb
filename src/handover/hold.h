/* What the keeper has of one connection. */
#ifndef HANDOVER_HOLD_H
#define HANDOVER_HOLD_H

#include <stdbool.h>
#include <stdint.h>

struct link;

struct hold {
    struct link *link;     /* NULL: it has no slot, and ends with this process */
    uint32_t slot;         /* of the link's table */
    _Atomic bool told;     /* the keeper heard of it, and is to hear of its end */
    _Atomic unsigned held; /* epoch of the keeper that has it; 0: none */
    _Atomic unsigned lost; /* epoch of the keeper that had no descriptors for it */
    _Atomic unsigned news; /* how often its pumps have told of it: of another socket, perhaps */
};

#endif
