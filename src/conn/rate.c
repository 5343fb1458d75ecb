#include "conn/rate.h"

#define RATE_OVER (5 * USEC_PER_SEC)

bool rate_is_slow(struct rate_watch *watch, bool waits, uint64_t moved, int64_t min_rate,
                  usec_t now) {
    if (min_rate == 0 || !waits) {
        watch->since = 0;
        return false;
    }
    if (watch->since == 0 || now - watch->seen > RATE_OVER / 2) { /* or nobody looked */
        watch->since = now;
        watch->moved = moved;
    }
    watch->seen = now;
    usec_t span = now - watch->since;
    if (span < RATE_OVER)
        return false;
    bool slow = moved - watch->moved < (uint64_t)min_rate * (uint64_t)span / USEC_PER_SEC;
    watch->since = now;
    watch->moved = moved;
    return slow;
}
