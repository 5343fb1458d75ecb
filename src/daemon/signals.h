/* How main waits. */
#ifndef DAEMON_SIGNALS_H
#define DAEMON_SIGNALS_H

#include <signal.h>

#include "base/clock.h"

/* Of these, up to a 0. */
void signals_fill(sigset_t *ret_set, const int *signals);

/* Waits for a signal of the set, until the deadline: its number, or 0. */
int signals_wait(const sigset_t *set, usec_t deadline, siginfo_t *ret_info);

#endif
