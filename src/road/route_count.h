/* Requests that a route of a listener has taken. A reload carries it on by its pattern. */
#ifndef ROAD_ROUTE_COUNT_H
#define ROAD_ROUTE_COUNT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/check.h"
#include "listen/limit.h"

struct route_count {
    _Atomic unsigned refs;
    /* by the class of the status that the client got, from 1xx on */
    _Atomic uint64_t answered[LIMIT_STATUS_CLASSES];
};

/* With one reference. NULL: no memory. */
struct route_count *route_count_new(void);
struct route_count *route_count_ref(struct route_count *count);
void route_count_unref(struct route_count *count); /* NULL is fine */

#endif
