#include "daemon/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "base/fd.h"
#include "base/text.h"
#include "relay/steer.h"

#define STATUS_INTERVAL  (2 * USEC_PER_SEC)
#define PATIENCE         (10 * USEC_PER_SEC) /* with a thread that has been given work, at most */
#define MANAGER_PATIENCE USEC_PER_SEC        /* with a manager that does not read what it is told */
/* what the end of a stop may take, as in relayd.service */
#define AFTER_DRAIN (15 * USEC_PER_SEC)

/* A socket to $NOTIFY_SOCKET, a path or an abstract name (sd_notify(3)), or -1. */
static int open_manager(const char *name) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t length = name != NULL ? strlen(name) : 0;
    struct timeval patience = clock_timeval(MANAGER_PATIENCE);

    if (length == 0 || length >= sizeof(to.sun_path))
        return -1;
    memcpy(to.sun_path, name, length);
    if (name[0] == '@')
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (fd >= 0 && (connect(fd, (struct sockaddr *)&to, size) < 0 ||
                    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0))
        fd_close(&fd);
    return fd;
}

/* sd_notifyf(3), but through the socket that is open, as long as somebody listens to that. False:
 * the manager does not read; nobody waits for it longer than MANAGER_PATIENCE. */
PRINTF_LIKE(2, 3) static bool tell_manager(const struct notify *notify, const char *fmt, ...) {
    char text[NOTIFY_TEXT_MAX + 128];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    ssize_t n = notify->fd >= 0 ? send(notify->fd, text, strlen(text), MSG_NOSIGNAL) : -1;
    if (n >= 0 || (notify->fd >= 0 && errno == EAGAIN))
        return n >= 0;
    return sd_notify(0, text) >= 0;
}

void notify_close(struct notify *notify) {
    fd_close(&notify->fd);
}

void notify_init(struct notify *notify) {
    const char *manager = getenv("NOTIFY_SOCKET");
    uint64_t usec = 0;

    *notify = (struct notify){.fd = open_manager(manager), .status = manager != NULL};
    if (sd_watchdog_enabled(0, &usec) > 0)
        notify->watchdog = (usec_t)usec / 2; /* sd_watchdog_enabled(3) advises half */
    notify->next_watchdog = clock_now();
}

static void describe_relay(const struct notify *notify, struct relay *relay, char *text,
                           size_t size) {
    size_t live = relay_count_live(relay), listeners = relay_config(relay)->n_listeners;

    snprintf(text, size, "Relaying %zu connection%s for %zu listener%s.%s%s%s%s", live,
             live == 1 ? "" : "s", listeners, listeners == 1 ? "" : "s",
             steer_is_lame(NULL) ? " Not ready (relayctl lame-duck)." : "",
             notify->reloading ? " Reloading." : "",
             notify->refused[0] != '\0' ? " The last reload was refused: " : "", notify->refused);
    relay_describe(relay, text, size);
}

/* If the text fills its room it may have been cut within a UTF-8 character, which the manager would
 * not take. */
static void drop_cut_character(char *text, size_t size) {
    size_t n = strlen(text);

    while (n + 1 == size && n > 0 && ((unsigned char)text[n - 1] & 0x80) != 0) {
        bool first = ((unsigned char)text[n - 1] & 0x40) != 0;

        text[--n] = '\0';
        if (first)
            break;
        size--;
    }
}

/* Whether the status line is another one than before; it is remembered, and looked at again after a
 * while. */
static bool status_changes(struct notify *notify, const char *text) {
    notify->next_status = clock_now() + STATUS_INTERVAL;
    if (strcmp(text, notify->sent) == 0)
        return false;
    snprintf(notify->sent, sizeof(notify->sent), "%s", text);
    return true;
}

static void tell_ready(struct notify *notify) {
    notify->ready_untold = !tell_manager(notify, "READY=1\nSTATUS=%s", notify->sent);
    notify->next_status = clock_now() + STATUS_INTERVAL;
}

void notify_ready(struct notify *notify, struct relay *relay, const char *refused) {
    snprintf(notify->refused, sizeof(notify->refused), "%s", refused != NULL ? refused : "");
    drop_cut_character(notify->refused, sizeof(notify->refused));
    notify->reloading = false;
    describe_relay(notify, relay, notify->sent, sizeof(notify->sent));
    tell_ready(notify);
}

void notify_reloading(struct notify *notify) {
    notify->reloading = true;
    notify->next_status = clock_now() + STATUS_INTERVAL;
    (void)tell_manager(notify, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Reloading.",
                       (unsigned long long)clock_now());
}

void notify_draining(struct notify *notify, size_t live, usec_t deadline) {
    usec_t now = clock_now(), left = deadline > now ? deadline - now : 0;
    bool first = strncmp(notify->sent, "Draining", 8) != 0;
    char text[NOTIFY_TEXT_MAX], most[32], until[16];

    text_format_duration((left + USEC_PER_SEC - 1) / USEC_PER_SEC * USEC_PER_SEC, most,
                         sizeof(most));
    text_format_moment(deadline, until, sizeof(until));
    /* Once it takes a while, somebody may ask why. */
    snprintf(text, sizeof(text), "Draining %zu connection%s, for at most %s%s%s%s.", live,
             live == 1 ? "" : "s", most, first ? "" : ": until ", first ? "" : until,
             first ? "" : " (drain_timeout)");
    if (!status_changes(notify, text))
        return;
    (void)tell_manager(notify, "%sSTATUS=%s", first ? "STOPPING=1\n" : "", text);
    if (first)
        (void)tell_manager(notify, "EXTEND_TIMEOUT_USEC=%llu",
                           (unsigned long long)(left + AFTER_DRAIN));
}

void notify_lame(struct notify *notify, usec_t until) {
    usec_t now = clock_now(), left = until > now ? until - now : 0;
    char text[16];

    snprintf(notify->sent, sizeof(notify->sent),
             "Not ready, and serving until %s (lame_duck_time).",
             text_format_moment(until, text, sizeof(text)));
    (void)tell_manager(notify, "STOPPING=1\nSTATUS=%s", notify->sent);
    (void)tell_manager(notify, "EXTEND_TIMEOUT_USEC=%llu",
                       (unsigned long long)(left + AFTER_DRAIN));
}

void notify_leaving(struct notify *notify, size_t live) {
    snprintf(notify->sent, sizeof(notify->sent), "Leaving %zu connection%s to the next relayd.",
             live, live == 1 ? "" : "s");
    (void)tell_manager(notify, "STOPPING=1\nSTATUS=%s", notify->sent);
}

usec_t notify_due(const struct notify *notify) {
    usec_t due = notify->status ? notify->next_status : USEC_NEVER;

    return notify->watchdog > 0 && notify->next_watchdog < due ? notify->next_watchdog : due;
}

static void feed_watchdog(struct notify *notify, struct relay *relay) {
    usec_t patience = notify->watchdog < PATIENCE ? notify->watchdog : PATIENCE;
    char what[LOG_TEXT_MAX / 2];

    if (relay_moves(relay, patience, what, sizeof(what))) {
        (void)tell_manager(notify, "WATCHDOG=1");
        notify->stuck = false;
    } else if (!notify->stuck) {
        notify->stuck = true;
        log_msg(MSG_STUCK, "Work does not move: %s. The watchdog is not fed until it does.", what);
    }
}

void notify_tick(struct notify *notify, struct relay *relay) {
    usec_t now = clock_now();
    char text[NOTIFY_TEXT_MAX];

    if (notify->watchdog > 0 && now >= notify->next_watchdog) {
        notify->next_watchdog = now + notify->watchdog;
        feed_watchdog(notify, relay);
    }
    if (!notify->status || now < notify->next_status)
        return;
    if (notify->ready_untold) {
        tell_ready(notify);
        return;
    }
    describe_relay(notify, relay, text, sizeof(text));
    if (status_changes(notify, text))
        (void)tell_manager(notify, "STATUS=%s", text);
}
