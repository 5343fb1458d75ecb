#include "daemon/daemon.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/text.h"
#include "base/thread.h"
#include "daemon/limits.h"
#include "relay/relay.h"

/* The relay's last connection has ended: wakes main's wait for signals. */
#define DRAINED_SIGNAL SIGUSR1

struct daemon {
    struct config *config;
    struct upstreams *upstreams;
    struct relay *relay;
    struct passed_socket *passed;
    size_t n_passed;
    char **names; /* of the passed sockets, as libsystemd gave them */
};

/* on_empty of the relay; arg is main's pthread_t. */
static void drained(void *arg) {
    pthread_kill(*(pthread_t *)arg, DRAINED_SIGNAL);
}

static int fail(int status, int error, const char *what) {
    log_msg(MSG_START_FAILED, "relayd could not start: %s: %s.", what, strerrordesc_np(-error));
    return status;
}

/* sd_listen_fds_with_names(3). */
static int take_passed(struct daemon *daemon) {
    int n = sd_listen_fds_with_names(1, &daemon->names);

    if (n <= 0)
        return n;
    daemon->passed = calloc((size_t)n, sizeof(*daemon->passed));
    if (daemon->passed == NULL)
        return -ENOMEM;
    daemon->n_passed = (size_t)n;
    for (int i = 0; i < n; i++)
        daemon->passed[i] =
            (struct passed_socket){.fd = SD_LISTEN_FDS_START + i, .name = daemon->names[i]};
    return 0;
}

/* What no listener took is closed, and said: a client of that socket would wait for ever. */
static void drop_unused(struct daemon *daemon) {
    for (size_t i = 0; i < daemon->n_passed; i++) {
        struct passed_socket *passed = &daemon->passed[i];

        if (passed->fd < 0)
            continue;
        log_msg(MSG_TROUBLE,
                "systemd passed a socket named %s, and no listener of that name has "
                "address = \"systemd\"; closing it.",
                passed->name);
        fd_close(&passed->fd);
    }
}

static int start(struct daemon *daemon, pthread_t *main_thread) {
    struct relay_limits limits = limits_settle(daemon->config);
    char *what = NULL;
    int r = log_start();

    if (r < 0)
        return fail(EX_OSERR, r, "no thread for the log");
    r = take_passed(daemon);
    if (r < 0)
        return fail(EX_OSERR, r, "the sockets that systemd passed");
    daemon->upstreams = upstreams_new(daemon->config);
    if (daemon->upstreams == NULL)
        return fail(EX_OSERR, -ENOMEM, "no memory for the upstreams");
    daemon->relay = relay_new(daemon->config, daemon->upstreams, &limits, drained, main_thread);
    if (daemon->relay == NULL)
        return fail(EX_OSERR, -ENOMEM, "no memory for the listeners");
    r = relay_listen(daemon->relay, daemon->passed, daemon->n_passed, &what);
    if (r < 0) {
        log_msg(MSG_START_FAILED, "%s", what != NULL ? what : "relayd could not start: no memory.");
        free(what);
        return EX_UNAVAILABLE;
    }
    drop_unused(daemon);
    r = upstreams_start(daemon->upstreams);
    if (r < 0)
        return fail(EX_OSERR, r, "no thread for the resolver; raise TasksMax");
    r = relay_start(daemon->relay);
    if (r < 0)
        return fail(EX_OSERR, r, "no threads to work with; raise TasksMax or lower workers");
    return EX_OK;
}

static void tell_ready(const struct daemon *daemon) {
    size_t n = daemon->config->n_listeners;

    sd_notifyf(0, "READY=1\nSTATUS=Relaying for %zu listener%s.", n, n == 1 ? "" : "s");
    for (size_t i = 0; i < n; i++) {
        const struct listener *listener = &daemon->relay->listeners[i];

        for (size_t j = 0; j < listener->n_sockets; j++)
            log_msg(MSG_READY, "Listener %s takes connections on %s and relays them to %s.",
                    listener->config->name, listener->sockets[j].text,
                    listener->upstream->config->name);
    }
}

/* Waits for a signal of the set, until the deadline: its number, or 0. */
static int wait_signal(const sigset_t *set, usec_t deadline) {
    for (;;) {
        usec_t now = clock_now();
        struct timespec left = clock_timespec(deadline > now ? deadline - now : 0);
        int r = deadline == USEC_NEVER ? sigwaitinfo(set, NULL) : sigtimedwait(set, NULL, &left);

        if (r > 0)
            return r;
        if (errno == EAGAIN)
            return 0;
    }
}

static void wait_for_stop(const sigset_t *set) {
    for (;;) {
        int signal = wait_signal(set, USEC_NEVER);

        if (signal == SIGTERM || signal == SIGINT)
            return;
        if (signal == SIGHUP)
            log_msg(MSG_NO_RELOAD, "SIGHUP: this version cannot reload; restart relayd instead.");
    }
}

/* Lets the connections finish, for at most drain_timeout, unless a second signal comes. */
static void drain(struct daemon *daemon, const sigset_t *set) {
    usec_t deadline = clock_now() + daemon->config->global.drain_timeout;
    size_t live = gate_live(&daemon->relay->gate);
    char text[32];

    text_format_duration(daemon->config->global.drain_timeout, text, sizeof(text));
    sd_notifyf(0, "STOPPING=1\nSTATUS=Draining %zu connections, for at most %s.", live, text);
    log_msg(MSG_STOPPING, "Stopping: no new connections; %zu may finish within %s.", live, text);
    live = relay_drain(daemon->relay);
    while (live > 0) {
        int signal = wait_signal(set, deadline);

        if (signal == SIGHUP)
            continue;
        if (signal != DRAINED_SIGNAL || gate_live(&daemon->relay->gate) == 0)
            return;
    }
}

static void stop(struct daemon *daemon, bool ran) {
    if (daemon->relay != NULL) {
        upstreams_cancel(daemon->upstreams);
        relay_free(daemon->relay);
    }
    upstreams_free(daemon->upstreams);
    uint64_t cut = stats_get(STAT_cut_at_stop);
    if (ran)
        log_msg(MSG_STOPPED, "Stopped; %llu connection%s reset.", (unsigned long long)cut,
                cut == 1 ? " was" : "s were");
    log_stop();
    for (size_t i = 0; i < daemon->n_passed; i++) {
        fd_close(&daemon->passed[i].fd);
        free(daemon->names[i]);
    }
    free(daemon->names);
    free(daemon->passed);
    config_unref(daemon->config);
}

int daemon_run(struct config *config) {
    struct daemon daemon = {.config = config};
    pthread_t main_thread = pthread_self();
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, DRAINED_SIGNAL);
    thread_init_process();
    log_set_level((enum log_level)config_log_level(config));
    int status = start(&daemon, &main_thread);
    if (status == EX_OK) {
        tell_ready(&daemon);
        wait_for_stop(&set);
        drain(&daemon, &set);
    }
    stop(&daemon, status == EX_OK);
    return status;
}
