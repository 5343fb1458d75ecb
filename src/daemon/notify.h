/* What the service manager is told (sd_notify(3)): ready, reloading, stopping, a status line that
 * lives, and, while work moves, that the watchdog need not bite. Without a manager every call does
 * nothing. The main thread's. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdbool.h>

#include "base/log.h"
#include "relay/relay.h"

#define NOTIFY_TEXT_MAX 1024

struct notify {
    /* to the manager, opened at the start: later there may be no descriptor left; -1: none */
    int fd;
    bool status;     /* there is somebody to tell */
    usec_t watchdog; /* how often it is fed; 0: there is none */
    usec_t next_status, next_watchdog;
    bool ready_untold;                 /* the manager did not read it: it is told again */
    bool reloading;                    /* is under way */
    bool stuck;                        /* work did not move at the last look, which has been said */
    char sent[NOTIFY_TEXT_MAX];        /* the status line */
    char refused[NOTIFY_TEXT_MAX / 2]; /* why the last reload was refused; "": it was not */
};

void notify_init(struct notify *notify);
void notify_close(struct notify *notify);

/* Clients can connect: at the start, and after a reload, good or bad. Why it was bad stays in the
 * status line until the next good one (refused: NULL). */
void notify_ready(struct notify *notify, struct relay *relay, const char *refused);

void notify_reloading(struct notify *notify);

/* So many connections may finish until the deadline. */
void notify_draining(struct notify *notify, size_t live, usec_t deadline);

/* So many connections are left to the next relayd. */
void notify_leaving(struct notify *notify, size_t live);

/* When notify_tick or notify_draining wants to be called next; USEC_NEVER without a manager. */
usec_t notify_due(const struct notify *notify);

/* Tells what has changed, and feeds the watchdog if work moves. */
void notify_tick(struct notify *notify, struct relay *relay);

#endif
