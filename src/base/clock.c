#include "base/clock.h"

static usec_t read_clock(clockid_t id) {
    struct timespec ts;

    clock_gettime(id, &ts);
    return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

usec_t clock_now(void) {
    return read_clock(CLOCK_MONOTONIC);
}

usec_t clock_coarse(void) {
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

time_t clock_wall(usec_t moment) {
    usec_t wall = read_clock(CLOCK_REALTIME) + moment - clock_now();

    return wall / USEC_PER_SEC;
}

struct timespec clock_timespec(usec_t t) {
    return (struct timespec){.tv_sec = t / USEC_PER_SEC, .tv_nsec = (t % USEC_PER_SEC) * 1000};
}

struct timeval clock_timeval(usec_t t) {
    return (struct timeval){.tv_sec = t / USEC_PER_SEC, .tv_usec = t % USEC_PER_SEC};
}
