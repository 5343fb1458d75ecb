/* How much the whole process moves, from samples of all that its connections have carried. */
#ifndef CONTROL_SAMPLES_H
#define CONTROL_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "conn/registry.h"

#define SAMPLES 16

/* Zeroed: none. The control thread's. */
struct samples {
    struct sample {
        usec_t at;
        uint64_t bytes[2]; /* by direction, of all connections, live or ended */
    } list[SAMPLES];       /* a ring, a second apart at least */
    size_t n;              /* taken so far */
    uint64_t moved[2];     /* the sums seen last; they never fall */
};

/* Takes one if the last is older than this; 0: looks in any case. */
void samples_take(struct samples *samples, struct registry *registry, usec_t least);

/* Bytes a second of late, by direction; < 0: not yet known. */
void samples_rates(const struct samples *samples, double ret_rates[2]);

#endif
