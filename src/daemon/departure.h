/* How the process ends: its connections finish (drain), or go on in the next relayd (leave). */
#ifndef DAEMON_DEPARTURE_H
#define DAEMON_DEPARTURE_H

#include <signal.h>
#include <stdbool.h>

#include "base/clock.h"

struct notify;
struct relay;
struct reload;

/* Main's. All that it points to is lent. */
struct departure {
    struct relay *relay;
    struct notify *notify;
    struct reload *reload; /* one that is asked for now is refused */
    const sigset_t *set;   /* what main waits for: signals to end, HUP, and to wake it */
    usec_t say_waiting;    /* when the log is to tell what is waited for */
};

/* The end was asked for. */
void departure_begin(struct departure *departure, struct relay *relay, struct notify *notify,
                     struct reload *reload, const sigset_t *set);

/* Waits for a signal, until `due`. True: the end was asked for again. */
bool departure_wait(struct departure *departure, usec_t due);

/* Lets connections finish, for at most drain_timeout, unless the end is asked for again. */
void departure_drain(struct departure *departure);

/* Brings everything that the keeper holds to a halt. What it does not hold may finish first, as in
 * a drain. */
void departure_leave(struct departure *departure);

/* Says that the end was asked for again, and what that costs. */
void departure_hurry(struct departure *departure);

#endif
