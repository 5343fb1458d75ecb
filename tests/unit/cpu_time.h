/* What work costs, whoever else has the machine. */
#ifndef CPU_TIME_H
#define CPU_TIME_H

#include "unit.h"

#include <time.h>

#include "base/clock.h"

/* Processor time: CLOCK_THREAD_CPUTIME_ID or CLOCK_PROCESS_CPUTIME_ID. */
static inline usec_t cpu_time(clockid_t whose) {
    struct timespec time;

    assert_int_equal(clock_gettime(whose, &time), 0);
    return (usec_t)time.tv_sec * USEC_PER_SEC + time.tv_nsec / 1000;
}

#endif
