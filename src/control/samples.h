/* How much the whole process moves, from samples of all that its connections have carried. */
#ifndef CONTROL_SAMPLES_H
#define CONTROL_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "conn/sweep.h"
#include "relay/relay.h"

#define SAMPLES 16

/* Zeroed: none. The control thread's. */
struct samples {
    struct sample {
        usec_t at;
        uint64_t bytes[2]; /* by direction, of all connections, live or ended */
    } list[SAMPLES];       /* a ring, half a second apart at least */
    size_t n;              /* taken so far */
    uint64_t moved[2];     /* the sums seen last; they never fall */
};

/* Somebody asks: takes one, if the last is old enough. While nobody does, none are taken: it would
 * cost by what is idle. *ret_sum: what it saw, and what of that the keeper holds. */
void samples_take(struct samples *samples, struct relay *relay, struct sweep_sum *ret_sum);

/* Bytes a second of late, by direction; < 0: not yet known, for nobody has asked of late. */
void samples_rates(const struct samples *samples, double ret_rates[2]);

#endif
