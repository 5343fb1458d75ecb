/* Reloads, as HUP asks for them. The file is read and names are looked up beside main, which goes
 * on meanwhile; then main puts the configuration in force. One at a time: whoever
 * asks during one gets another after it. The main thread's. */
#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

#include <signal.h>

#include "daemon/reload_requests.h"
#include "daemon/notify.h"
#include "daemon/passed.h"
#include "daemon/reading.h"
#include "relay/relay.h"

#define RELOAD_LATE_MAX 4 /* readings that were given up and have not come to their end */

struct reload {
    const char *file; /* NULL: there is none */
    struct relay *relay;
    struct passed *passed;
    struct notify *notify;
    void (*wake)(void *arg); /* ends main's wait */
    void *arg;
    struct reload_requests requests;
    bool wanted;             /* once more */
    struct reading *reading; /* NULL: no reload is under way */
    usec_t until;            /* then it is given up */
    struct reading *late[RELOAD_LATE_MAX];
};

/* Somebody asks for one. */
void reload_ask(struct reload *reload, const siginfo_t *hup);

/* When reload_tick wants to be called next, unless it is woken; USEC_NEVER: only then. */
usec_t reload_due(const struct reload *reload);

/* Begins what is asked for, and ends what is read. True: one has ended, and may have left
 * something to tidy. */
bool reload_tick(struct reload *reload);

/* There will be none any more: the one under way is left to reload_free, and whoever asked is
 * answered, or asks from now on (hup, or NULL). */
void reload_stop(struct reload *reload, const siginfo_t *hup);

/* At the end of the process: frees what is left, but for readings that wait for what does not
 * answer. */
void reload_free(struct reload *reload);

#endif
