#include "daemon/daemon.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "base/stats.h"
#include "base/text.h"
#include "base/thread.h"
#include "daemon/ask.h"
#include "daemon/keeping.h"
#include "daemon/limits.h"
#include "daemon/notify.h"
#include "daemon/passed.h"
#include "daemon/restart.h"
#include "relay/acceptor.h"
#include "relay/adopt.h"
#include "relay/crash.h"
#include "relay/relay.h"

/* The relay's last connection has ended: wakes main's wait for signals. */
#define DRAINED_SIGNAL SIGUSR1

#define TIDY_INTERVAL USEC_PER_SEC /* while something is left of a former configuration */

struct daemon {
    const char *file; /* NULL: none */
    struct relay *relay;
    struct passed passed;
    struct notify notify;
    usec_t next_tidy;
    uint64_t cut_before; /* STAT_cut_at_stop of the processes before */
};

#define LEAVE_LOOK (20 * USEC_PER_MSEC) /* whether all has been dialled that was accepted */

/* The first error of a file, while all of them are logged. */
struct first_error {
    char text[LOG_TEXT_MAX / 2];
};

/* on_empty of the relay; arg is main's pthread_t. */
static void drained(void *arg) {
    pthread_kill(*(pthread_t *)arg, DRAINED_SIGNAL);
}

static int fail(int status, int error, const char *what) {
    log_msg(MSG_START_FAILED, "relayd could not start: %s: %s.", what, strerrordesc_np(-error));
    return status;
}

/* Puts a configuration in force: EX_OK, or a status and *ret_what, which the caller frees (NULL: no memory). */
static int apply(struct daemon *daemon, struct config *config, char **ret_what) {
    static const int statuses[] = {[APPLY_OK] = EX_OK,
                                   [APPLY_NO_SOCKET] = EX_UNAVAILABLE,
                                   [APPLY_FORBIDDEN] = EX_NOPERM,
                                   [APPLY_WRONG] = EX_CONFIG,
                                   [APPLY_NO_RESOURCES] = EX_OSERR};
    struct relay *relay = daemon->relay;
    struct relay_limits limits = limits_settle(config, relay->link);
    if (relay->link != NULL)
        table_bound(relay->link->table, limits.max_held);
    struct upstreams *upstreams = upstreams_new(
        config, relay->now != NULL ? relay->now->upstreams : NULL, relay_reset_member, relay);

    if (upstreams == NULL || upstreams_start(upstreams) < 0) {
        upstreams_free(upstreams); /* no lookup is under way */
        *ret_what = strdup("There is no memory or no thread for the upstreams; raise TasksMax.");
        return EX_OSERR;
    }
    enum apply_outcome outcome = relay_apply(relay, config, upstreams, &limits, daemon->passed.list,
                                             daemon->passed.n, ret_what);
    if (outcome == APPLY_OK)
        log_set_level((enum log_level)config_log_level(config));
    return statuses[outcome];
}

static int start(struct daemon *daemon, struct config *config, pthread_t *main_thread) {
    char *what = NULL;
    int r = log_start();

    if (r < 0)
        return fail(EX_OSERR, r, "no thread for the log");
    log_set_level((enum log_level)config_log_level(config));
    r = passed_take(&daemon->passed);
    if (r < 0)
        return fail(EX_OSERR, r, "the sockets that systemd passed");
    daemon->relay = relay_new(drained, main_thread);
    if (daemon->relay == NULL)
        return fail(EX_OSERR, -ENOMEM, "no memory");
    keeping_begin(daemon->relay, config, daemon->file);
    daemon->cut_before = stats_get(STAT_cut_at_stop);
    int status = apply(daemon, config, &what);
    if (status != EX_OK) {
        atomic_store(&daemon->relay->leaves, true); /* what is held is for one that can start */
        log_msg(MSG_START_FAILED, "%s", what != NULL ? what : "relayd could not start: no memory.");
    } else {
        passed_drop_unused(&daemon->passed);
        keeping_adopt(daemon->relay);
        relay_open(daemon->relay);
        keeping_settle(daemon->relay);
    }
    free(what);
    return status;
}

/* Of those that are new. */
static void say_listeners(struct relay *relay) {
    struct acceptor *acceptor;

    TAILQ_FOREACH(acceptor, &relay->acceptors, link) {
        if (acceptor->announced)
            continue;
        acceptor->announced = true;
        log_msg(MSG_READY, "Listener %s takes connections on %s and relays them to %s.",
                acceptor->serves->config->name, acceptor->socket.text,
                acceptor->serves->upstream->config->name);
    }
}

static void take_error(void *arg, const char *sentence) {
    struct first_error *first = arg;

    if (first->text[0] == '\0')
        snprintf(first->text, sizeof(first->text), "%s", sentence);
    log_msg(MSG_CONFIG_ERROR, "%s", sentence);
}

static bool refuse(struct daemon *daemon, const char *why) {
    log_msg(MSG_RELOAD_REFUSED, "The reload was refused, and the configuration in force stays: %s",
            why);
    notify_ready(&daemon->notify, daemon->relay, why);
    return false;
}

static bool reload(struct daemon *daemon) {
    struct first_error first = {.text = ""};
    char *what = NULL;

    notify_reloading(&daemon->notify);
    if (daemon->file == NULL)
        return refuse(daemon, "relayd was started with --proxy and has no file to read.");
    struct config *config = config_load(daemon->file, take_error, &first);
    if (config == NULL)
        return refuse(daemon, first.text);
    struct config *before = config_ref(daemon->relay->now->config);
    int status = apply(daemon, config, &what);
    if (status == EX_OK) {
        relay_open(daemon->relay);
        keeping_change(daemon->relay, before->global.keeper, daemon->file);
        log_msg(MSG_RELOADED, "Reloaded %s: new connections are relayed as it says.", daemon->file);
        say_listeners(daemon->relay);
        notify_ready(&daemon->notify, daemon->relay, NULL);
    } else {
        (void)refuse(daemon, what != NULL ? what : "there was no memory.");
    }
    daemon->next_tidy =
        clock_now() + TIDY_INTERVAL; /* in any case once more: tidy_nudge in relay.c */
    free(what);
    config_unref(before);
    config_unref(config);
    return status == EX_OK;
}

/* Waits for a signal of the set, until the deadline: its number, or 0. */
static int wait_signal(const sigset_t *set, usec_t deadline, siginfo_t *ret_info) {
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

static void tidy(struct daemon *daemon) {
    usec_t now = clock_now();

    if (now >= daemon->next_tidy)
        daemon->next_tidy = relay_tidy(daemon->relay) ? now + TIDY_INTERVAL : USEC_NEVER;
}

static void run(struct daemon *daemon, const sigset_t *set) {
    for (;;) {
        usec_t due = notify_due(&daemon->notify);
        siginfo_t info;
        int signal = wait_signal(set, due < daemon->next_tidy ? due : daemon->next_tidy, &info);

        if (signal == SIGTERM || signal == SIGINT)
            return;
        if (signal == SIGHUP)
            ask_answer(&info, reload(daemon));
        notify_tick(&daemon->notify, daemon->relay);
        tidy(daemon);
    }
}

/* A second signal to end. */
static bool is_hurried(int signal, const siginfo_t *info) {
    if (signal == SIGHUP)
        ask_answer(info, false);
    return signal == SIGTERM || signal == SIGINT;
}

/* Lets the connections finish, for at most drain_timeout, unless a second signal comes. */
static void drain(struct daemon *daemon, const sigset_t *set) {
    usec_t timeout = daemon->relay->now->config->global.drain_timeout,
           deadline = clock_now() + timeout;
    size_t live = gate_live(&daemon->relay->gate);
    char text[32];

    text_format_duration(timeout, text, sizeof(text));
    notify_draining(&daemon->notify, live, deadline);
    log_msg(MSG_STOPPING, "Stopping: no new connections; %zu may finish within %s.", live, text);
    live = relay_drain(daemon->relay, timeout);
    while (live > 0 && clock_now() < deadline) {
        usec_t due = daemon->notify.status ? daemon->notify.next_status : USEC_NEVER;
        siginfo_t info;
        int signal = wait_signal(set, due < deadline ? due : deadline, &info);

        live = gate_live(&daemon->relay->gate);
        if (is_hurried(signal, &info))
            return;
        if (live > 0)
            notify_draining(&daemon->notify, live, deadline);
    }
}

/* Whether connections are left to the next relayd. */
static bool wants_to_leave(const struct daemon *daemon) {
    int on_term = daemon->relay->now->config->global.on_term;

    if (daemon->relay->link == NULL || !link_is_up(daemon->relay->link) || on_term == ON_TERM_DRAIN)
        return false;
    return on_term == ON_TERM_LEAVE || restart_is_under_way();
}

/* Brings everything that the keeper holds to a halt. What it does not hold may finish first, as in a drain. */
static void leave(struct daemon *daemon, const sigset_t *set) {
    struct relay *relay = daemon->relay;
    usec_t deadline = clock_now() + relay->now->config->global.drain_timeout;
    bool hurried = false;
    size_t unheld = 0;

    notify_leaving(&daemon->notify, gate_live(&relay->gate));
    relay_leave(relay);
    while (!hurried && clock_now() < deadline &&
           (relay_is_dialling(relay) || (unheld = relay_count_unheld(relay)) > 0)) {
        siginfo_t info;

        if (unheld > 0)
            notify_draining(&daemon->notify, unheld, deadline);
        hurried = is_hurried(wait_signal(set, clock_now() + LEAVE_LOOK, &info), &info);
    }
    size_t left = gate_live(&relay->gate);
    unheld = relay_count_unheld(relay);
    relay_park(relay);
    left -= left > unheld ? unheld : left;
    log_msg(MSG_LEFT, "Left %zu connection%s to the next relayd, which relayd-keeper holds for it.",
            left, left == 1 ? "" : "s");
}

static void stop(struct daemon *daemon, bool ran) {
    struct table *table = relay_free(daemon->relay);
    uint64_t cut = stats_get(STAT_cut_at_stop) - daemon->cut_before;
    if (ran)
        log_msg(MSG_STOPPED, "Stopped; %llu connection%s reset.", (unsigned long long)cut,
                cut == 1 ? " was" : "s were");
    log_stop();
    crash_watch(NULL);
    table_free(table);
    passed_free(&daemon->passed);
    notify_close(&daemon->notify);
}

int daemon_run(struct config *config, const char *file) {
    struct daemon daemon = {.file = file, .next_tidy = USEC_NEVER};
    pthread_t main_thread = pthread_self();
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, DRAINED_SIGNAL);
    thread_init_process();
    notify_init(&daemon.notify);
    int status = start(&daemon, config, &main_thread);
    config_unref(config);
    if (status == EX_OK) {
        say_listeners(daemon.relay);
        notify_ready(&daemon.notify, daemon.relay, NULL);
        run(&daemon, &set);
        if (wants_to_leave(&daemon))
            leave(&daemon, &set);
        else
            drain(&daemon, &set);
    }
    stop(&daemon, status == EX_OK);
    return status;
}
