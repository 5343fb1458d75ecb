/* What a pump notes around each write (record/conn_state.h). */
#ifndef CONN_FLOW_H
#define CONN_FLOW_H

#include <stdatomic.h>

#include "record/conn_state.h"

/* Before the write: the bytes are in hand, and since now the direction is not idle. The kernel's
 * socket lock orders this store before whatever the write does (stolen_error in conn_end.c relies
 * on it).
 *
 * spoke: whose bytes came last, the client's or the server's (conn_is_asked). It is
 * noted before the bytes are written, so no answer, and no next question, is quicker. Each pump
 * writes to its own flow alone: a word that both of them used would go from one processor to the
 * other and back with each request, for 0.1 to 0.6 us; the exact clock takes 0.05. */
static inline void flow_begin_writing(struct flow *flow) {
    usec_t now = clock_now();

    atomic_store_explicit(&flow->writing, true, memory_order_relaxed);
    atomic_store_explicit(&flow->spoke, now, memory_order_relaxed);
    if (atomic_load_explicit(&flow->first, memory_order_relaxed) == 0)
        atomic_store_explicit(&flow->first, now, memory_order_relaxed);
    atomic_store_explicit(&flow->active, clock_coarse(), memory_order_relaxed);
}

/* bytes: written to the sink, in all. */
static inline void flow_end_writing(struct flow *flow, uint64_t bytes) {
    atomic_store_explicit(&flow->bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&flow->active, clock_coarse(), memory_order_relaxed);
    atomic_store_explicit(&flow->writing, false, memory_order_release);
}

#endif
