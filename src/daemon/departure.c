#include "daemon/departure.h"

#include "base/log.h"
#include "base/text.h"
#include "daemon/notify.h"
#include "daemon/reload.h"
#include "daemon/signals.h"
#include "relay/relay.h"

#define WAITING_AFTER USEC_PER_SEC /* and drain_idle: then the log tells what is waited for */
#define LEAVE_LOOK    (20 * USEC_PER_MSEC) /* between two looks at what is waited for */
#define LEAVE_LAST    USEC_PER_SEC         /* for what is in this process alone for a moment */

void departure_begin(struct departure *departure, struct relay *relay, struct notify *notify,
                     struct reload *reload, const sigset_t *set) {
    *departure = (struct departure){
        .relay = relay,
        .notify = notify,
        .reload = reload,
        .set = set,
        .say_waiting = clock_now() + relay_config(relay)->global.drain_idle + WAITING_AFTER};
}

bool departure_wait(struct departure *departure, usec_t due) {
    siginfo_t info;
    int signal = signals_wait(departure->set, due, &info);

    if (signal == SIGHUP)
        reload_stop(departure->reload, &info);
    return signal == SIGTERM || signal == SIGINT;
}

/* Tells of connections that are waited for; in the log, of those that were not about to end. */
static void note_waiting(struct departure *departure, size_t live, usec_t deadline) {
    char until[16];

    notify_draining(departure->notify, live, deadline);
    if (clock_now() < departure->say_waiting)
        return;
    departure->say_waiting = USEC_NEVER;
    log_msg(MSG_STOPPING, "Waiting for %zu connection%s, until %s at the latest (drain_timeout).",
            live, live == 1 ? "" : "s", text_format_moment(deadline, until, sizeof(until)));
}

void departure_hurry(struct departure *departure) {
    size_t live = relay_count_live(departure->relay);

    if (live > 0)
        log_msg(MSG_STOPPING, "Asked again: stopping at once, and %zu connection%s reset.", live,
                live == 1 ? " is" : "s are");
}

void departure_drain(struct departure *departure) {
    usec_t timeout = relay_config(departure->relay)->global.drain_timeout,
           deadline = clock_now() + timeout;
    size_t live = relay_count_live(departure->relay);
    char text[32], until[16];

    text_format_duration(timeout, text, sizeof(text));
    notify_draining(departure->notify, live, deadline);
    if (live == 0)
        log_msg(MSG_STOPPING, "Stopping: no new connections.");
    else
        log_msg(MSG_STOPPING,
                "Stopping: no new connections; %zu may finish within %s, until %s. Asked again, "
                "relayd stops at once.",
                live, text, text_format_moment(deadline, until, sizeof(until)));
    live = relay_drain(departure->relay, timeout);
    while (live > 0 && clock_now() < deadline) {
        usec_t due = departure->notify->status ? departure->notify->next_status : USEC_NEVER;
        bool again = departure_wait(
            departure, usec_earlier(usec_earlier(due, departure->say_waiting), deadline));

        live = relay_count_live(departure->relay);
        if (again) {
            departure_hurry(departure);
            return;
        }
        if (live > 0)
            note_waiting(departure, live, deadline);
    }
}

/* Until exchanges rest. */
static void await_unheld(struct departure *departure) {
    struct relay *relay = departure->relay;
    usec_t deadline = clock_now() + relay_config(relay)->global.drain_timeout;
    bool hurried = false;

    while (relay_is_dialling(relay) || !relay_rest(relay, false)) {
        size_t unheld = relay_count_unheld(relay);

        if (hurried || clock_now() >= deadline) {
            (void)relay_rest(relay, true);
            return;
        }
        if (unheld > 0)
            note_waiting(departure, unheld, deadline);
        hurried = departure_wait(departure, clock_now() + LEAVE_LOOK);
    }
    deadline = usec_earlier(deadline, clock_now() + LEAVE_LAST);
    while (!hurried && relay_count_unheld(relay) > 0 && clock_now() < deadline)
        hurried = departure_wait(departure, clock_now() + LEAVE_LOOK);
}

void departure_leave(struct departure *departure) {
    struct relay *relay = departure->relay;

    notify_leaving(departure->notify, relay_count_live(relay));
    relay_leave(relay);
    await_unheld(departure);
    size_t left = relay_count_live(relay), unheld = relay_count_unheld(relay);
    relay_park(relay);
    left -= left > unheld ? unheld : left;
    if (left > 0)
        log_msg(MSG_LEFT,
                "Left %zu connection%s to the next relayd, which relayd-keeper holds for it.", left,
                left == 1 ? "" : "s");
}
