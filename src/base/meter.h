/* How many there were of late: this period's count, and that of the one before, in one word. It
 * costs nothing while nothing happens. */
#ifndef BASE_METER_H
#define BASE_METER_H

#include "base/clock.h"

/* Zeroed: none yet. A meter has one period, of a second to a day. */
struct meter {
    _Atomic uint64_t word; /* 24 bits: the period; 20 each: the count before, the count */
};

#define METER_MOST 0xfffffu /* in a period; what is more does not show */

/* Counts one. Any thread, any lock. */
void meter_add(struct meter *meter, usec_t period, usec_t now);

/* Those of the last period up to now: all of this one, and of the one before as large a part as is
 * within. Any thread, any lock. */
double meter_count(const struct meter *meter, usec_t period, usec_t now);

/* The same for each second. */
double meter_rate(const struct meter *meter, usec_t period, usec_t now);

#endif
