#include "daemon/signals.h"

#include <errno.h>

void signals_fill(sigset_t *ret_set, const int *signals) {
    sigemptyset(ret_set);
    for (; *signals != 0; signals++)
        sigaddset(ret_set, *signals);
}

int signals_wait(const sigset_t *set, usec_t deadline, siginfo_t *ret_info) {
    for (;;) {
        usec_t now = clock_now();
        struct timespec left = clock_timespec(deadline > now ? deadline - now : 0);
        int r = deadline == USEC_NEVER ? sigwaitinfo(set, ret_info)
                                       : sigtimedwait(set, ret_info, &left);

        if (r > 0)
            return r;
        if (errno == EAGAIN)
            return 0;
    }
}
