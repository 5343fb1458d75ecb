/* Tells the service manager (sd_notify(3)): ready, reloading, stopping, a status line, and, while
 * work moves, the watchdog. Without a manager every call does nothing. Main's. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdbool.h>

#include "base/log.h"
#include "relay/relay.h"

#define NOTIFY_TEXT_MAX 1024

struct notify {
    /* opened at the start: later there may be no descriptor left; -1: none */
    int fd;
    bool status;     /* there is somebody to tell */
    usec_t watchdog; /* interval; 0: none */
    usec_t next_status, next_watchdog;
    bool ready_untold; /* the manager did not read it: tell it again */
    bool reloading;
    bool stuck;                        /* logged: work does not move */
    char sent[NOTIFY_TEXT_MAX];        /* the status line */
    char refused[NOTIFY_TEXT_MAX / 2]; /* why the last reload was refused; "": it was not */
};

void notify_init(struct notify *notify);
void notify_close(struct notify *notify);

/* At the start, and after each reload. refused: why a bad reload was; the status line says so until
 * a good one (NULL). */
void notify_ready(struct notify *notify, struct relay *relay, const char *refused);

void notify_reloading(struct notify *notify);

/* live: connections that may finish until the deadline. */
void notify_draining(struct notify *notify, size_t live, usec_t deadline);

/* The stop begins, and clients are served until then; the drain follows. */
void notify_lame(struct notify *notify, usec_t until);

/* live: connections left to the next relayd. */
void notify_leaving(struct notify *notify, size_t live);

/* When notify_tick or notify_draining is due; USEC_NEVER without a manager. */
usec_t notify_due(const struct notify *notify);

/* Tells what has changed, and feeds the watchdog if work moves. */
void notify_tick(struct notify *notify, struct relay *relay);

#endif
