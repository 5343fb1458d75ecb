#include "daemon/daemon.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "base/stats.h"
#include "base/text.h"
#include "base/thread.h"
#include "control/control.h"
#include "control/errands.h"
#include "control/public.h"
#include "daemon/departure.h"
#include "daemon/file_check.h"
#include "daemon/force.h"
#include "daemon/instance.h"
#include "daemon/limits.h"
#include "daemon/notify.h"
#include "daemon/passed.h"
#include "daemon/reading.h"
#include "daemon/reload.h"
#include "daemon/restart.h"
#include "daemon/signals.h"
#include "handover/crash.h"
#include "record/access_log.h"
#include "relay/follow.h"
#include "relay/relay.h"
#include "relay/steer.h"
#include "relay/succession.h"

#define WAKE_SIGNAL SIGUSR1 /* something has happened that main waits for */

#define TIDY_INTERVAL   USEC_PER_SEC /* while something is left of a former configuration */
#define FOLLOW_INTERVAL USEC_PER_SEC /* between two looks at the interfaces of listeners */

/* With name servers that do not answer, at the start: less than systemd's
 * DefaultTimeoutStartSec. */
#define NAMES_PATIENCE (60 * USEC_PER_SEC)

struct daemon {
    const char *file; /* NULL: none */
    struct relay *relay;
    struct control *control;    /* NULL: none */
    struct public_site *status; /* the same */
    time_t since;               /* it started then */
    struct passed passed;
    struct notify notify;
    struct reload reload;
    struct file_check check;
    bool ends;         /* it was told to before it had started */
    enum link_end end; /* what becomes of what the keeper holds */
    usec_t next_tidy, next_follow;
    uint64_t cut_before; /* STAT_cut_at_stop of the processes before */
};

/* on_empty of the relay, and the end of a reading; arg is main's pthread_t. */
static void wake_main(void *arg) {
    pthread_kill(*(pthread_t *)arg, WAKE_SIGNAL);
}

static int fail_start(int status, int error, const char *what) {
    log_msg(MSG_START_FAILED, "relayd could not start: %s: %s.", what, strerrordesc_np(-error));
    return status;
}

static int refuse_start(int status, const char *what) {
    log_msg(MSG_START_FAILED, "%s", what != NULL ? what : "relayd could not start: no memory.");
    return status;
}

/* Waits for the names of listeners. EX_OK with daemon->ends: it was told to end meanwhile. */
static int await_listener_names(struct daemon *daemon, struct reading *reading) {
    usec_t deadline = clock_now() + NAMES_PATIENCE;
    const struct reading_result *result;
    char text[LOG_TEXT_MAX / 4], why[LOG_TEXT_MAX / 2];
    siginfo_t info;
    sigset_t set;

    signals_fill(&set, (const int[]){SIGTERM, SIGINT, WAKE_SIGNAL, 0});
    while ((result = reading_done(reading)) == NULL) {
        int signal = signals_wait(&set, deadline, &info);

        daemon->ends = signal == SIGTERM || signal == SIGINT;
        if (daemon->ends)
            return EX_OK;
        if (clock_now() >= deadline) {
            snprintf(why, sizeof(why), "relayd could not start: %s did not come within %d s.",
                     reading_waits_for(reading, text, sizeof(text)),
                     (int)(NAMES_PATIENCE / USEC_PER_SEC));
            return refuse_start(EX_UNAVAILABLE, why);
        }
    }
    return result->found ? EX_OK : refuse_start(EX_UNAVAILABLE, result->what);
}

/* With the addresses of its listeners. */
static int start_relay(struct daemon *daemon, const struct reading_result *read,
                       pthread_t *main_thread) {
    const struct config *config = read->config;
    char name[KEEPER_NAME_MAX], why[LOG_TEXT_MAX / 2], *what = NULL;
    int r = passed_take(&daemon->passed);

    if (r < 0)
        return fail_start(EX_OSERR, r, "the sockets that systemd passed");
    daemon->relay = relay_new(wake_main, main_thread);
    if (daemon->relay == NULL)
        return fail_start(EX_OSERR, -errno, errno == ENOMEM ? "no memory" : "no descriptor");
    if (!control_use(&daemon->control, daemon->relay, config, daemon->since, why, sizeof(why)) ||
        !public_use(&daemon->status, daemon->relay, config, daemon->since, why, sizeof(why))) {
        daemon->end = LINK_LEAVE;
        return refuse_start(EX_UNAVAILABLE, why);
    }
    instance_name(config, daemon->file, name);
    (void)limits_raise_descriptors(); /* what was held may be many */
    succession_begin(daemon->relay, config, name);
    daemon->cut_before = stats_get(STAT_cut_at_stop);
    int status = force_config(daemon->relay, &daemon->passed, read, &what);
    if (status != EX_OK) {
        daemon->end = LINK_LEAVE; /* what is held is for one that can start */
        (void)refuse_start(status, what);
    } else {
        passed_drop_unused(&daemon->passed);
        succession_adopt(daemon->relay);
        relay_open(daemon->relay);
        succession_complete(daemon->relay);
    }
    free(what);
    return status;
}

/* A reading that has not come to its end is left to the end of the process. */
static int start_daemon(struct daemon *daemon, struct config *config, pthread_t *main_thread) {
    struct reading *reading;
    int r = log_start();

    if (r < 0)
        return fail_start(EX_OSERR, r, "no thread for the log");
    force_log(config);
    r = reading_begin(NULL, config_ref(config), wake_main, main_thread, &reading);
    if (r < 0) {
        config_unref(config);
        return fail_start(EX_OSERR, r, "no memory or no thread to look up names with");
    }
    int status = await_listener_names(daemon, reading);
    const struct reading_result *result = reading_done(reading);
    if (status == EX_OK && !daemon->ends)
        status = start_relay(daemon, result, main_thread);
    (void)reading_free_until(reading, clock_now() + 100 * USEC_PER_MSEC);
    return status;
}

static void tidy_relay(struct daemon *daemon) {
    usec_t now = clock_now();

    if (now >= daemon->next_tidy)
        daemon->next_tidy = relay_tidy(daemon->relay) ? now + TIDY_INTERVAL : USEC_NEVER;
}

/* While there are listeners that follow an interface. */
static void follow_interfaces(struct daemon *daemon) {
    usec_t now = clock_now();

    if (now >= daemon->next_follow)
        daemon->next_follow = relay_follow(daemon->relay) ? now + FOLLOW_INTERVAL : USEC_NEVER;
}

/* After a reload, which may have moved it. */
static void follow_control(struct daemon *daemon) {
    const struct config *config = relay_config(daemon->relay);
    char why[LOG_TEXT_MAX / 2];

    if (!control_use(&daemon->control, daemon->relay, config, daemon->since, why, sizeof(why)))
        log_msg(MSG_TROUBLE, "%s", why);
    if (!public_use(&daemon->status, daemon->relay, config, daemon->since, why, sizeof(why)))
        log_msg(MSG_TROUBLE, "%s", why);
}

static void serve_until_end(struct daemon *daemon, const sigset_t *set) {
    for (;;) {
        usec_t due =
            usec_earlier(usec_earlier(notify_due(&daemon->notify), daemon->next_tidy),
                         usec_earlier(daemon->next_follow, file_check_due(&daemon->check)));
        siginfo_t info;
        int signal = signals_wait(set, usec_earlier(due, reload_due(&daemon->reload)), &info);

        if (signal == SIGTERM || signal == SIGINT)
            return;
        if (signal == SIGHUP)
            reload_ask(&daemon->reload, &info);
        if (reload_tick(&daemon->reload)) {
            daemon->next_tidy =
                clock_now() + TIDY_INTERVAL; /* in any case once more: tidy_nudge in relay.c */
            daemon->next_follow = 0;
            follow_control(daemon);
        }
        file_check_tick(&daemon->check);
        notify_tick(&daemon->notify, daemon->relay);
        tidy_relay(daemon);
        follow_interfaces(daemon);
    }
}

/* Whether connections are left to the next relayd. */
static bool wants_to_leave(const struct daemon *daemon) {
    const struct link *link = relay_link(daemon->relay);
    int on_term = relay_config(daemon->relay)->global.on_term;

    return link != NULL && link_is_up(link) && on_term != ON_TERM_DRAIN &&
           (on_term == ON_TERM_LEAVE || restart_is_under_way());
}

/* lame_duck_time: a balancer that asks GET /ready goes elsewhere first. False: asked again. */
static bool be_lame(struct daemon *daemon, struct departure *departure) {
    usec_t time = relay_config(daemon->relay)->global.lame_duck_time, until = clock_now() + time;
    bool hurried = false;
    char text[32];

    if (time == 0)
        return true;
    steer_stop_soon();
    notify_lame(&daemon->notify, until);
    log_msg(MSG_STOPPING,
            "Stopping in %s (lame_duck_time): GET /ready says no; clients are served until then.",
            text_format_duration(time, text, sizeof(text)));
    while (!hurried && clock_now() < until) {
        usec_t due = usec_earlier(daemon->next_tidy, usec_earlier(daemon->next_follow, until));

        hurried = departure_wait(departure, due);
        tidy_relay(daemon);
        follow_interfaces(daemon);
    }
    return !hurried;
}

static void end_relay(struct daemon *daemon, const sigset_t *set) {
    struct departure departure;

    departure_begin(&departure, daemon->relay, &daemon->notify, &daemon->reload, set);
    if (wants_to_leave(daemon)) {
        departure_leave(&departure);
        daemon->end = LINK_LEAVE;
    } else if (be_lame(daemon, &departure)) {
        departure_drain(&departure);
    } else {
        departure_hurry(&departure);
    }
}

/* The start is over. */
static void live_until_end(struct daemon *daemon, pthread_t *main_thread) {
    sigset_t set;

    signals_fill(&set, (const int[]){SIGTERM, SIGINT, SIGHUP, WAKE_SIGNAL, 0});
    daemon->reload = (struct reload){.file = daemon->file,
                                     .relay = daemon->relay,
                                     .passed = &daemon->passed,
                                     .notify = &daemon->notify,
                                     .wake = wake_main,
                                     .arg = main_thread};
    daemon->check = (struct file_check){
        .file = daemon->file, .relay = daemon->relay, .wake = wake_main, .arg = main_thread};
    reload_requests_init(&daemon->reload.requests);
    errands_begin(wake_main, main_thread);
    relay_announce(daemon->relay);
    notify_ready(&daemon->notify, daemon->relay, NULL);
    serve_until_end(daemon, &set);
    errands_begin(NULL, NULL);
    reload_stop(&daemon->reload, NULL);
    end_relay(daemon, &set);
    reload_free(&daemon->reload);
    file_check_free(&daemon->check);
    reload_requests_close(&daemon->reload.requests);
}

static void stop_daemon(struct daemon *daemon, bool ran) {
    public_close(daemon->status);
    control_close(daemon->control);
    struct table *table = relay_free(daemon->relay, daemon->end);
    access_log_stop();
    uint64_t cut = stats_get(STAT_cut_at_stop) - daemon->cut_before;
    if (ran && cut == 0)
        log_msg(MSG_STOPPED, "Stopped.");
    else if (ran)
        log_msg(MSG_STOPPED, "Stopped; %llu connection%s reset.", (unsigned long long)cut,
                cut == 1 ? " was" : "s were");
    log_stop();
    crash_watch(NULL);
    table_free(table);
    passed_free(&daemon->passed);
    notify_close(&daemon->notify);
}

int daemon_run(struct config *config, const char *file) {
    static pthread_t main_thread; /* a reading that is left behind may still wake it */
    struct daemon daemon = {.file = file, .since = time(NULL), .next_tidy = USEC_NEVER};

    main_thread = pthread_self();
    thread_init_process();
    notify_init(&daemon.notify);
    int status = start_daemon(&daemon, config, &main_thread);
    config_unref(config);
    bool started = status == EX_OK && !daemon.ends;
    if (started)
        live_until_end(&daemon, &main_thread);
    stop_daemon(&daemon, started);
    return status;
}
