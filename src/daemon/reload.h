/* Reloads, asked for by HUP. A reading takes in the file and looks up names; then main puts the
 * configuration in force. One at a time: whoever asks during one gets another after it. Main's. */
#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

#include <signal.h>

#include "daemon/reload_requests.h"
#include "daemon/notify.h"
#include "daemon/passed.h"
#include "daemon/reading.h"
#include "relay/relay.h"

#define RELOAD_LATE_MAX 4 /* readings given up that have not ended */

struct reload {
    const char *file; /* NULL: there is none */
    struct relay *relay;
    struct passed *passed;
    struct notify *notify;
    void (*wake)(void *arg); /* ends main's wait */
    void *arg;
    struct reload_requests requests;
    bool wanted;             /* once more */
    struct reading *reading; /* NULL: no reload runs */
    usec_t until;            /* then it is given up */
    struct reading *late[RELOAD_LATE_MAX];
};

void reload_ask(struct reload *reload, const siginfo_t *hup);

/* When reload_tick is due, unless `wake` comes before. */
usec_t reload_due(const struct reload *reload);

/* Begins and ends reloads. True: one has ended, and may have left something to tidy. */
bool reload_tick(struct reload *reload);

/* Leaves the reload under way to reload_free. Tells whoever asked, or asks now (hup, or NULL), that
 * relayd stops. */
void reload_stop(struct reload *reload, const siginfo_t *hup);

/* At the end of the process. Leaves readings behind that still get no answer. */
void reload_free(struct reload *reload);

#endif
