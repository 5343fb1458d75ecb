#include "daemon/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/text.h"

#define STATUS_INTERVAL (2 * USEC_PER_SEC)
#define PATIENCE        (10 * USEC_PER_SEC) /* with a thread that has been given work, at most */
#define AFTER_DRAIN     (15 * USEC_PER_SEC) /* what the end of a stop may take, as in relayd.service */

void notify_init(struct notify *notify) {
    uint64_t usec = 0;

    *notify = (struct notify){.status = getenv("NOTIFY_SOCKET") != NULL};
    if (sd_watchdog_enabled(0, &usec) > 0)
        notify->watchdog = (usec_t)usec / 2; /* sd_watchdog_enabled(3) advises half */
    notify->next_watchdog = clock_now();
}

static void describe(const struct notify *notify, struct relay *relay, char *text, size_t size) {
    size_t live = gate_live(&relay->gate), listeners = relay->now->config->n_listeners;

    snprintf(text, size, "Relaying %zu connection%s for %zu listener%s.%s%s", live,
             live == 1 ? "" : "s", listeners, listeners == 1 ? "" : "s",
             notify->refused[0] != '\0' ? " The last reload was refused: " : "", notify->refused);
}

void notify_ready(struct notify *notify, struct relay *relay, const char *refused) {
    snprintf(notify->refused, sizeof(notify->refused), "%s", refused != NULL ? refused : "");
    describe(notify, relay, notify->sent, sizeof(notify->sent));
    sd_notifyf(0, "READY=1\nSTATUS=%s", notify->sent);
    notify->next_status = clock_now() + STATUS_INTERVAL;
}

void notify_reloading(struct notify *notify) {
    (void)notify;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Reloading.",
               (unsigned long long)clock_now());
}

void notify_draining(struct notify *notify, size_t live, usec_t deadline) {
    usec_t now = clock_now(), left = deadline > now ? deadline - now : 0;
    bool first = strncmp(notify->sent, "Draining", 8) != 0;
    char text[NOTIFY_TEXT_MAX], most[32];

    text_format_duration((left + USEC_PER_SEC - 1) / USEC_PER_SEC * USEC_PER_SEC, most,
                         sizeof(most));
    notify->next_status = now + STATUS_INTERVAL;
    snprintf(text, sizeof(text), "Draining %zu connection%s, for at most %s.", live,
             live == 1 ? "" : "s", most);
    if (strcmp(text, notify->sent) == 0)
        return;
    memcpy(notify->sent, text, sizeof(text));
    sd_notifyf(0, "%sSTATUS=%s", first ? "STOPPING=1\n" : "", text);
    if (first)
        sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)(left + AFTER_DRAIN));
}

usec_t notify_due(const struct notify *notify) {
    usec_t due = notify->status ? notify->next_status : USEC_NEVER;

    return notify->watchdog > 0 && notify->next_watchdog < due ? notify->next_watchdog : due;
}

static void feed(struct notify *notify, struct relay *relay) {
    usec_t patience = notify->watchdog < PATIENCE ? notify->watchdog : PATIENCE;
    char what[LOG_TEXT_MAX / 2];

    if (relay_moves(relay, patience, what, sizeof(what))) {
        sd_notify(0, "WATCHDOG=1");
        notify->stuck = false;
    } else if (!notify->stuck) {
        notify->stuck = true;
        log_msg(MSG_STUCK, "Work does not move: %s. The watchdog is fed no more until it does.",
                what);
    }
}

void notify_tick(struct notify *notify, struct relay *relay) {
    usec_t now = clock_now();
    char text[NOTIFY_TEXT_MAX];

    if (notify->watchdog > 0 && now >= notify->next_watchdog) {
        notify->next_watchdog = now + notify->watchdog;
        feed(notify, relay);
    }
    if (!notify->status || now < notify->next_status)
        return;
    notify->next_status = now + STATUS_INTERVAL;
    describe(notify, relay, text, sizeof(text));
    if (strcmp(text, notify->sent) == 0)
        return;
    memcpy(notify->sent, text, sizeof(text));
    sd_notifyf(0, "STATUS=%s", text);
}
